"""When forecasts count as having become worse, and when a training is asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.scoring.drift import Judgement, RunError, is_to_be_trained, judge
from include.settings import Settings

NOW = datetime(2024, 8, 1, tzinfo=UTC)
DAY = timedelta(days=1)
RETRAIN_DAYS = Settings.model_fields["retrain_days"].default
mw = st.floats(min_value=0.01, max_value=1e5)
runs = st.lists(st.builds(RunError, n=st.integers(1, 500), mae=mw, naive_mae=st.none() | mw), max_size=20)
thorough = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine draws slowly."""
SEVERITY = {"unknown": 0, "ok": 1, "drift": 2}


def judged(errors: list[RunError], **changes: Any) -> Judgement:
    return judge(errors, **{"reference_mae": 100.0, "ratio": 1.5, "least_runs": 3, **changes})


def equal(mae: float, *, count: int = 7, naive: float | None = 500.0) -> list[RunError]:
    return [RunError(n=48, mae=mae, naive_mae=naive)] * count


@pytest.mark.parametrize(
    ("errors", "state"),
    [
        (equal(150.0), "ok"),
        (equal(150.1), "drift"),
        (equal(120.0, naive=119.0), "drift"),
        (equal(120.0, naive=120.0), "ok"),
        (equal(120.0, naive=None), "ok"),
        (equal(900.0, count=2), "unknown"),
        ([], "unknown"),
    ],
)
def test_drift_is_an_error_above_the_ratio_of_the_backtest_or_above_the_naive(
    errors: list[RunError], state: str
) -> None:
    assert judged(errors).state == state


def test_errors_are_weighted_by_intervals_and_the_naive_is_held_against_ours_on_its_own_runs() -> None:
    errors = [RunError(n=90, mae=100.0, naive_mae=120.0), RunError(n=10, mae=600.0), RunError(n=90, mae=100.0)]
    found = judged(errors)
    assert found.mae == pytest.approx((90 * 100 + 10 * 600 + 90 * 100) / 190)
    assert (found.naive_mae, found.state) == (120.0, "ok"), "126 MW in all, but 100 MW where the naive is known"


def test_with_nothing_to_hold_it_against_nothing_is_said() -> None:
    assert judged(equal(900.0, naive=None), reference_mae=None).state == "unknown"
    assert judged(equal(900.0, naive=400.0), reference_mae=None).state == "drift"


def test_the_message_has_the_numbers() -> None:
    message = judged(equal(300.0, naive=200.0)).message
    assert message == (
        "MAE 300 MW over 7 runs: more than 1.5 times the 100 MW of its backtest and worse than the 200 MW of the "
        "seasonal naive"
    )


@thorough
@given(runs, st.floats(min_value=1, max_value=10), st.none() | mw)
def test_larger_errors_never_look_better(errors: list[RunError], factor: float, reference: float | None) -> None:
    worse = [replace(run, mae=run.mae * factor) for run in errors]
    before, after = (judged(each, reference_mae=reference).state for each in (errors, worse))
    assert SEVERITY[after] >= SEVERITY[before]


@thorough
@given(runs, st.floats(min_value=1, max_value=5), st.floats(min_value=0, max_value=5))
def test_a_larger_ratio_never_finds_more_drift(errors: list[RunError], ratio: float, more: float) -> None:
    strict, lenient = (judged(errors, ratio=each).state for each in (ratio, ratio + more))
    assert SEVERITY[lenient] <= SEVERITY[strict]


@thorough
@given(runs)
def test_the_order_of_the_runs_and_the_unit_of_the_load_change_nothing(errors: list[RunError]) -> None:
    there = judged(errors, reference_mae=64.0)
    assert judged(errors[::-1], reference_mae=64.0).state == there.state or _close(there)
    kilo = [RunError(run.n, run.mae * 1024, run.naive_mae and run.naive_mae * 1024) for run in errors]
    assert judged(kilo, reference_mae=64.0 * 1024).state == there.state


def _close(found: Judgement) -> bool:
    """Whether the sum of floats in another order may fall on the other side."""
    bounds = [bound for bound in (96.0, found.naive_mae) if bound]
    return found.mae is not None and any(abs(found.mae / bound - 1) < 1e-9 for bound in bounds)


@pytest.mark.parametrize(
    ("state", "cutoffs", "asked"),
    [
        ("drift", [], True),
        ("ok", [], False),
        ("unknown", [], False),
        ("drift", [NOW - 2 * DAY], True),
        ("drift", [NOW - 1.9 * DAY], False),
        ("drift", [NOW], False),
        ("drift", [NOW + DAY], True),
        ("drift", [NOW - 30 * DAY, NOW - DAY], False),
    ],
)
def test_drift_asks_for_a_training_unless_a_recent_one_is_registered(
    state: Any, cutoffs: list[datetime], asked: bool
) -> None:
    found = replace(judged(equal(10.0)), state=state)
    versions = [version(cutoff) for cutoff in cutoffs]
    assert is_to_be_trained(found, versions, as_of=NOW, retrain_days=RETRAIN_DAYS) is asked


def version(cutoff: datetime, **facts: Any) -> dict[str, Any]:
    return {"data_cutoff": cutoff.isoformat(), "status": "candidate", "kind": "gradient_boosting", **facts}


@pytest.mark.parametrize("facts", [{"status": "rejected"}, {"kind": "seasonal_naive"}])
def test_what_was_rejected_or_learns_nothing_is_no_training(facts: dict[str, Any]) -> None:
    found = replace(judged(equal(10.0)), state="drift")
    assert is_to_be_trained(found, [version(NOW - DAY, **facts)], as_of=NOW, retrain_days=RETRAIN_DAYS)


def test_with_a_training_every_monday_drift_asks_on_most_days() -> None:
    found = replace(judged(equal(10.0)), state="drift")
    days = [
        day
        for day in range(7)
        if is_to_be_trained(found, [version(NOW)], as_of=NOW + day * DAY, retrain_days=RETRAIN_DAYS)
    ]
    assert days == [2, 3, 4, 5, 6]
