"""Training beside the champion: both on the same days, and no champion keeps a candidate from being registered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from include.portal import Portal
from include.tasks.train import Trained
from portal.registry.models import ModelVersion
from tests.include.facts import approve, check_run, training
from tests.include.town import DAY, END, START, readings


def evidence_of(trained: Trained) -> dict[str, Any]:
    evidence: dict[str, Any] = ModelVersion.objects.get(pk=trained.id).evidence
    return evidence


def test_a_series_without_a_champion_has_nobody_to_compare_with(
    ingested: Callable[..., None], train: Callable[..., list[Trained]]
) -> None:
    ingested()
    evidence = evidence_of(train()[0])
    assert evidence["champion_version"] is evidence["champion"] is evidence["significance"]["champion"] is None
    assert "champion_error" not in evidence


def test_a_challenger_meets_the_champion_on_the_same_days_in_every_segment(
    ingested: Callable[..., None], train: Callable[..., list[Trained]]
) -> None:
    ingested()
    (champion,) = train()
    approve(champion.id)
    evidence = evidence_of(train("gradient_boosting")[0])
    assert evidence["champion_version"] == {"id": champion.id, "version": 1, "kind": "seasonal_naive"}
    assert evidence["champion_model"]["kind"] == "seasonal_naive"
    assert evidence["champion"] == evidence_of(champion)["metrics"], "what its own backtest found on these days"
    assert evidence["significance"]["champion"]["n_origins"] == evidence["n_origins"] == 2
    for name in ("by_lead_time", "by_hour", "by_day_type"):
        assert all(row["skill_against_champion"] is not None for row in evidence[name])
    assert evidence["skill_against_champion"] == 1 - evidence["metrics"]["mae"] / evidence["champion"]["mae"]
    assert [point["n"] for point in evidence["calibration"]] == [96, 96, 96]


def test_the_champion_competes_with_the_hyper_parameters_that_it_was_registered_with(
    ingested: Callable[..., None], train: Callable[..., list[Trained]], portal: Portal
) -> None:
    ingested()
    (other,) = train("gradient_boosting")
    parameters = {**ModelVersion.objects.get(pk=other.id).parameters, "trees": 3, "threads": 64}
    facts = training(kind="gradient_boosting", parameters=parameters)
    approve(portal.register_model(facts)["id"])
    found = evidence_of(train()[0])["champion_model"]["parameters"]
    assert found == {**parameters, "threads": 1}, "as many threads as this training may use"


def test_a_champions_recipe_trained_again_is_compared_with_itself(
    ingested: Callable[..., None], train: Callable[..., list[Trained]]
) -> None:
    ingested()
    (champion,) = train(as_of=END - DAY)
    approve(champion.id)
    evidence = evidence_of(train()[0])
    assert evidence["champion_version"]["version"] == 1
    assert (evidence["skill_against_champion"], evidence["champion"]) == (0, evidence["metrics"])


@pytest.mark.parametrize(
    ("kind", "parameters", "words"),
    [
        ("crystal_ball", {}, "UnknownModelError: no model is called 'crystal_ball'"),
        ("arima", {"moons": 2}, "SettingsError: arima has no hyper-parameter 'moons'"),
        ("arima", {"timezone": 7}, "SettingsError: timezone 7 "),
    ],
)
def test_a_champion_that_cannot_be_made_any_more_costs_the_comparison_alone(
    ingested: Callable[..., None],
    train: Callable[..., list[Trained]],
    portal: Portal,
    kind: str,
    parameters: dict[str, Any],
    words: str,
) -> None:
    ingested()
    facts = training(kind=kind, parameters={"timezone": "Australia/Melbourne", **parameters})
    approve(portal.register_model(facts)["id"])
    (trained,) = train()
    evidence = evidence_of(trained)
    assert trained.new
    assert evidence["champion_version"] is evidence["champion"] is None
    assert evidence["champion_error"].startswith(f"version 1 ({kind}): {words}")
    assert evidence["metrics"]["n"] == 96


def test_a_champion_that_cannot_learn_from_this_history_costs_the_comparison_alone(
    ingested: Callable[..., None], train: Callable[..., list[Trained]], portal: Portal
) -> None:
    frame = readings()
    # The days before the first origin, on which its intervals would be calibrated, but for four hours.
    frame.loc[END - 10 * DAY : END - 3 * DAY - timedelta(hours=4), "load"] = float("nan")
    ingested(frame)
    facts = training(kind="arima", parameters={"timezone": "Australia/Melbourne"})
    approve(portal.register_model(facts)["id"])
    evidence = evidence_of(train()[0])
    assert "held out to calibrate on" in evidence["champion_error"]


def test_another_champion_makes_no_other_training(
    ingested: Callable[..., None], train: Callable[..., list[Trained]]
) -> None:
    ingested()
    naive, boosting = train("seasonal_naive", "gradient_boosting")
    approve(naive.id)
    (again,) = train("gradient_boosting")
    assert (again.id, again.new) == (boosting.id, False)
    assert evidence_of(boosting)["champion_version"] is None, "evidence stays what it was"


def test_the_evidence_names_the_data_and_the_check_runs_that_a_training_rests_on(
    ingested: Callable[..., None], train: Callable[..., list[Trained]], portal: Portal
) -> None:
    ingested()
    runs = [portal.record_check_run(check_run(as_of=END - back * DAY))["id"] for back in range(12, -1, -1)]
    portal.record_check_run(check_run(as_of=END + DAY, status="failed"))
    first, second = train(as_of=END - DAY)[0], train("gradient_boosting")[0]
    told = evidence_of(second)
    assert told["check_run"] == told["check_runs"][0]
    assert [each["id"] for each in told["check_runs"]] == runs[:2:-1], "the ten newest until then"
    assert [each["id"] for each in evidence_of(first)["check_runs"]] == runs[-2:1:-1]
    assert told["check_run"]["period_start"] == START.isoformat().replace("+00:00", "Z")
    # The file's rows are known an hour after their interval: the last one ended at 23:00 on the local clock.
    data = told["training_data"]
    end = END - timedelta(hours=1)
    assert (data["start"], data["end"]) == (START.isoformat(), end.isoformat())
    assert data["rows"] == len(readings(end=end))
    assert data["sha256"] != evidence_of(first)["training_data"]["sha256"]
    assert {"calibration", "tuning", "weather", "preprocessing", "training", "known_at_origin"} <= told.keys()
