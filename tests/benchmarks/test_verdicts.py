"""What counts as met, as a tie and as a miss, and against whom."""

from __future__ import annotations

from typing import Any

import pytest

from tests.benchmarks import verdicts
from tests.benchmarks.results import Result
from tests.benchmarks.verdicts import Outcome


def row(case: str, model: str, mae: float, **facts: Any) -> Result:
    known: dict[str, Any] = {
        "regime": "uni",
        "ours": model in {"auto", "gradient_boosting", "seasonal_naive"},
        "commit": "abc",
        "mase": mae / 100,
        "pinball": mae / 3,
        "coverage": 0.8,
        "points": 100,
        "cpu_fit": 1.0,
        "cpu_predict": 0.5,
    }
    return Result(case=case, model=model, mae=mae, **{**known, **facts})


@pytest.mark.parametrize(
    ("reached", "outcome", "by"),
    [
        (0.8, Outcome.MET, ""),
        (1.0, Outcome.MET, ""),
        (1.02, Outcome.TIE, ""),
        (1.25, Outcome.MISSED, "25.0 %"),
        (None, Outcome.UNKNOWN, ""),
    ],
)
def test_a_ratio_is_met_tied_or_missed_by_so_much(reached: float | None, outcome: Outcome, by: str) -> None:
    found = verdicts.at_most("MAE", reached, 1.0, target="below 1", tie=1.03)
    assert (found.outcome, found.by) == (outcome, by)


@pytest.mark.parametrize(
    ("reached", "said"), [(0.77, "met"), (0.83, "met"), (0.74, "missed by 3.0 points"), (0.9, "missed by 7.0 points")]
)
def test_coverage_is_missed_on_either_side(reached: float, said: str) -> None:
    assert verdicts.within("coverage", reached, verdicts.POOLED_COVERAGE).said == said


def test_the_best_peer_is_chosen_per_case_and_per_measure() -> None:
    results = [
        row("a", "auto", 90),
        row("a", "mlf_lgbm", 100, pinball=60.0),
        row("a", "skf_lgbm", 120, pinball=30.0),
        row("b", "auto", 90),
        row("b", "mlf_lgbm", 300),
        row("b", "skf_lgbm", 45),
    ]
    found = verdicts.ratios(results, "auto", verdicts.mae_of)
    assert [(each.case, each.peer, each.value) for each in found] == [("a", "mlf_lgbm", 0.9), ("b", "skf_lgbm", 2.0)]
    assert verdicts.ratios(results, "auto", verdicts.pinball_of)[0].peer == "skf_lgbm"


def test_our_own_models_the_operators_forecast_and_failures_are_no_peers() -> None:
    results = [
        row("a", "auto", 90),
        row("a", "gradient_boosting", 10),
        row("a", "operator_da", 20),
        row("a", "skf_lgbm", 30, error="ValueError"),
        row("a", "mlf_lgbm", 100),
    ]
    assert [each.peer for each in verdicts.ratios(results, "auto", verdicts.mae_of)] == ["mlf_lgbm"]


def test_a_peer_without_covariates_counts_where_weather_is_known_too() -> None:
    results = [
        row("a", "sf_mstl_ets", 50),
        row("a", "mlf_lgbm", 40),
        row("a", "auto", 60, regime="wx"),
        row("a", "mlf_lgbm", 80, regime="wx"),
    ]
    assert [each.peer for each in verdicts.ratios(results, "auto", verdicts.mae_of)] == ["sf_mstl_ets"]


def test_a_case_that_the_default_model_did_not_finish_is_a_miss() -> None:
    results = [row("a", "auto", 0, error="MemoryError"), row("a", "mlf_lgbm", 100)]
    misses = [each for each in verdicts.accuracy(results) if each.outcome is Outcome.MISSED]
    assert [each.said for each in misses] == ["missed by a failure"]


def test_coverage_is_pooled_over_points_not_over_cases() -> None:
    results = [row("a", "auto", 1, coverage=0.6, points=100), row("b", "auto", 1, coverage=0.9, points=300)]
    assert verdicts.pooled_coverage(results, "auto") == pytest.approx(0.825)
    assert verdicts.pooled_coverage(results, "arima") is None


def test_the_cheapest_tree_peer_sets_the_cost_and_its_error_is_compared() -> None:
    results = [
        row("a", "gradient_boosting", 80, cpu_fit=0.5, cpu_predict=0.1),
        row("a", "lgbm_direct", 100, cpu_fit=0.3, cpu_predict=0.1),
        row("a", "mlf_lgbm", 70, cpu_fit=3.0, cpu_predict=2.0),
    ]
    mean, worst, error = verdicts.cost(results)[:3]
    assert (mean.reached, mean.said) == ("1.500", "missed by 50.0 %")
    assert "a uni: lgbm_direct" in worst.what
    assert (error.reached, error.outcome) == ("0.800", Outcome.MET)


def test_without_the_default_model_nothing_is_claimed() -> None:
    found = verdicts.all_of([row("a", "mlf_lgbm", 100)], importing=None)
    assert {each.outcome for each in found} == {Outcome.UNKNOWN}


def test_a_geometric_mean_of_nothing_or_of_zero_is_none() -> None:
    assert verdicts.geometric_mean([2.0, 8.0]) == pytest.approx(4.0)
    assert verdicts.geometric_mean([]) is None
    assert verdicts.geometric_mean([1.0, 0.0]) is None
