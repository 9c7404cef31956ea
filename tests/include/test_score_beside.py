"""What a score holds beside its own figures: somebody else's forecast, the run before, the weather that happened."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from include.portal import Portal
from include.run import Run
from include.scoring.remembered import remembering_load
from include.settings import Settings
from include.tasks.drift import NoDrift, drifted
from include.tasks.ingest import Ingested
from include.tasks.publish import publish_series
from include.tasks.score import score_batch, score_series
from include.tasks.train import train_series
from portal.forecasts.models import AccuracySignal, ForecastScore
from portal.registry.models import ModelVersion
from portal.series.catalog import load_catalog
from portal.series.models import Series
from tests.include.facts import AIRFLOW, approve, publish_by_hand, training
from tests.include.town import DAY, END, HALF_HOUR, catalog, readings
from tests.include.weather import issues, store
from tests.include.wire import Wire

HOUR = timedelta(hours=1)
ISSUE = END - 3 * DAY
Score = Callable[..., dict[str, Any]]


@pytest.fixture
def score(portal: Portal, options: Settings) -> Score:
    """Scores the only run that is due."""

    def run(*, as_of: datetime = END) -> dict[str, Any]:
        (scored,) = score_series(portal, "town", as_of=as_of, settings=options, airflow=AIRFLOW)
        return scored

    return run


@pytest.fixture
def operator(ingested: Callable[..., None], portal: Portal) -> Callable[..., None]:
    """The town beside whose load stands the operator's forecast; records what that said, and when it was known."""
    ingested()
    series = catalog()["series"]
    other = {**series[0], "slug": "operator", "name": "Operator", "quantity": "load_forecast", "covariates": []}
    load_catalog({"series": [{**series[0], "external_forecast": "operator"}, series[1], other]})

    def record(values: pd.Series, *, known_at: datetime) -> None:
        rows = pd.DataFrame({"valid_time": values.index, "value": values.to_numpy()})
        rows = rows.assign(series="operator", known_at=known_at)
        assert not portal.record_observations(rows, recorded_at=known_at)["rejected"]

    return record


def loads(start: datetime, end: datetime) -> pd.Series:
    return readings().loc[start : end - HALF_HOUR, "load"]


def test_theirs_is_scored_as_it_was_known_when_ours_was_issued(
    operator: Callable[..., None], portal: Portal, score: Score
) -> None:
    truth = loads(ISSUE, ISSUE + DAY)
    operator(truth[:40] + 3, known_at=ISSUE - HOUR)
    operator(truth + 1, known_at=ISSUE + HALF_HOUR)
    publish_by_hand(portal, issue_time=ISSUE, hours=24)
    external = score()["external"]
    assert (external["series"], external["known"], external["n"]) == ("operator", "issue_time", 40)
    assert external["mae"] == pytest.approx(3)
    ours = np.abs(truth[:40] - 50).mean()
    assert external["mae_beside_external"] == pytest.approx(ours)
    assert external["skill"] == pytest.approx(1 - ours / 3)
    kept = ForecastScore.objects.get()
    assert kept.external == external
    assert kept.by_day[0]["external_n"] == 40


def test_where_none_was_known_then_what_was_known_before_each_interval_stands_in_and_is_named_so(
    operator: Callable[..., None], portal: Portal, score: Score
) -> None:
    truth = loads(ISSUE, ISSUE + DAY)
    operator(truth + 5, known_at=ISSUE + 6 * HOUR)
    operator(truth + 2, known_at=ISSUE + 12 * HOUR)
    publish_by_hand(portal, issue_time=ISSUE, hours=24)
    external = score()["external"]
    assert (external["known"], external["n"]) == ("delivery", 36)
    assert external["mae"] == pytest.approx((12 * 5 + 24 * 2) / 36)


def test_what_became_known_only_afterwards_is_no_forecast(
    operator: Callable[..., None], portal: Portal, score: Score
) -> None:
    operator(loads(ISSUE, ISSUE + DAY), known_at=ISSUE + DAY)
    publish_by_hand(portal, issue_time=ISSUE, hours=24)
    assert "before the intervals began" in score()["external"]["skipped"]


def test_a_run_is_held_against_the_one_issued_before_it(
    ingested: Callable[..., None], portal: Portal, options: Settings
) -> None:
    ingested()
    publish_by_hand(portal, issue_time=ISSUE - 6 * HOUR, hours=24, reason="far before")
    before = publish_by_hand(portal, issue_time=ISSUE - HOUR, hours=24)
    run = publish_by_hand(portal, issue_time=ISSUE, hours=24)
    scores = score_series(portal, "town", as_of=END, settings=options, airflow=AIRFLOW)
    first, _, last = (each["stability"] for each in scores)
    assert first == {}
    assert scores[2]["forecast_run"] == run
    assert last == {"against_run": before, "n": 46, "mean_absolute_change": 0, "mean_change": 0, "relative": 0}


def published(portal: Portal, options: Settings, kind: str) -> dict[str, Any]:
    (trained,) = train_series(portal, "town", as_of=ISSUE, kinds=[kind], settings=options, airflow=AIRFLOW)
    approve(trained.id, at=ISSUE)
    run = publish_series(portal, "town", as_of=ISSUE, settings=options)
    assert run.rung == "champion"
    return portal.forecast_run(run.id)


def test_the_error_is_split_by_running_the_champion_again_with_the_weather_that_happened(
    ingested: Callable[..., None], portal: Portal, options: Settings, score: Score
) -> None:
    ingested()
    store(portal, issues(start=END - 21 * DAY))
    run = published(portal, options, "regression")
    part = score(as_of=ISSUE + 12 * HOUR)
    assert part["attribution"] == {}, "a run that is not over waits"
    scored = score()
    split = scored["attribution"]
    assert (split["n"], split["observed_share"]) == (48, 1)
    assert split["mae"] == pytest.approx(scored["mae"])
    assert split["model_mae"] + split["weather_mae"] == pytest.approx(split["mae"])
    assert split["weather_mae"] != 0, "it was forecast otherwise than it came"
    days = scored["by_day"]
    assert sum(day["n"] * day["model_mae"] for day in days) / 48 == pytest.approx(split["model_mae"])

    from include.tasks.reproduce import computed_again

    version = ModelVersion.objects.get(pk=run["model"]["id"])
    assert version.parameters["known_future"] == ["temperature"]
    again = computed_again(portal, run, options, weather_as_of=END)[0.5]
    assert split["model_mae"] == pytest.approx(np.abs(again - loads(ISSUE, ISSUE + DAY)).mean())


def test_weather_that_is_observed_after_the_loads_splits_the_error_of_a_complete_run_then(
    ingested: Callable[..., None],
    town: Callable[..., Path],
    ingest: Callable[..., Ingested],
    portal: Portal,
    options: Settings,
    score: Score,
) -> None:
    frame = readings()
    frame.loc[ISSUE:, "temperature"] = None
    ingested(frame)
    store(portal, issues(start=END - 21 * DAY))
    published(portal, options, "regression")
    without = score()
    assert without["attribution"]["skipped"] == "no weather of the period was observed"
    town(readings())
    ingest(as_of=END + DAY)
    split = score(as_of=END + DAY)
    assert split["actuals_sha256"] == without["actuals_sha256"]
    assert (split["attribution"]["observed_share"], split["attribution"]["n"]) == (1, 48)
    assert score_series(portal, "town", as_of=END + 2 * DAY, settings=options, airflow=AIRFLOW) == []
    assert [kept.attribution for kept in ForecastScore.objects.all()] == [split["attribution"], without["attribution"]]


def test_a_run_is_held_against_a_forecast_that_its_series_names_only_after_it_was_scored(
    operator: Callable[..., None], portal: Portal, score: Score
) -> None:
    Series.objects.filter(slug="town").update(external_forecast=None)
    operator(loads(ISSUE, ISSUE + DAY) + 3, known_at=ISSUE - HOUR)
    publish_by_hand(portal, issue_time=ISSUE, hours=24)
    assert score()["external"] == {}
    Series.objects.filter(slug="town").update(external_forecast=Series.objects.get(slug="operator"))
    assert score(as_of=END + DAY)["external"]["mae"] == pytest.approx(3)
    assert ForecastScore.objects.count() == 2


def test_a_run_is_held_once_more_against_each_part_of_theirs_that_is_stored_late(
    operator: Callable[..., None], portal: Portal, options: Settings, score: Score
) -> None:
    def nothing_is_due(as_of: datetime) -> bool:
        return score_series(portal, "town", as_of=as_of, settings=options, airflow=AIRFLOW) == []

    truth = loads(ISSUE, ISSUE + DAY)
    publish_by_hand(portal, issue_time=ISSUE, hours=24)
    assert score()["external"]["skipped"] == "nothing of it was known before the intervals began"
    operator_late = {"known_at": ISSUE + 6 * HOUR}
    operator(truth[30:40] + 5, **operator_late)
    assert nothing_is_due(END), "there is a score of this time"
    ahead = score(as_of=END + DAY)["external"]
    assert (ahead["known"], ahead["n"], ahead["mae"]) == ("delivery", 10, pytest.approx(5))
    assert nothing_is_due(END + 2 * DAY), "however little theirs covers"
    operator(truth[4:12] + 3, known_at=ISSUE - HOUR)
    at_issue = score(as_of=END + 2 * DAY)["external"]
    assert (at_issue["known"], at_issue["n"], at_issue["mae"]) == ("issue_time", 8, pytest.approx(3))
    operator(truth[12:20] + 7, **operator_late)
    assert nothing_is_due(END + 3 * DAY), "what was known later is not compared any more"
    operator(truth[:4] + 3, known_at=ISSUE - HOUR)
    assert score(as_of=END + 3 * DAY)["external"]["n"] == 12
    assert nothing_is_due(END + 4 * DAY)
    kept = [each.external.get("n") for each in ForecastScore.objects.order_by("as_of")]
    assert kept == [None, 10, 8, 12], "all are kept"


def test_an_hourly_forecast_that_is_whole_is_waited_for_no_more(
    operator: Callable[..., None], portal: Portal, options: Settings, score: Score
) -> None:
    Series.objects.filter(slug="operator").update(resolution=HOUR)
    hourly = loads(ISSUE, ISSUE + DAY).resample("h").mean()
    publish_by_hand(portal, issue_time=ISSUE, hours=24)
    operator(hourly[:-1] + 3, known_at=ISSUE - HOUR)
    part = score()["external"]
    assert (part["n"], part["known_values"], part["known_in_a_row"]) == (23, 23, 23)
    operator(hourly[-1:] + 3, known_at=ISSUE - HOUR)
    whole = score(as_of=END + DAY)["external"]
    assert (whole["n"], whole["known_values"], whole["known_in_a_row"]) == (24, 24, 24)
    operator(hourly + 9, known_at=ISSUE + HOUR)
    assert score_series(portal, "town", as_of=END + 2 * DAY, settings=options, airflow=AIRFLOW) == []


def test_weather_that_is_stored_late_splits_the_error_of_a_run_that_lacked_it(
    ingested: Callable[..., None], portal: Portal, options: Settings, score: Score
) -> None:
    ingested(readings(end=ISSUE))
    store(portal, issues(start=END - 21 * DAY))
    published(portal, options, "regression")

    def known(slug: str, values: pd.Series) -> None:
        rows = pd.DataFrame({"valid_time": values.index, "value": values.to_numpy()})
        rows = rows.assign(series=slug, known_at=values.index + HOUR)
        assert portal.record_observations(rows, recorded_at=END)["inserted"] == len(rows)

    known("town", loads(ISSUE, ISSUE + DAY))
    observed = readings().loc[ISSUE : ISSUE + DAY - HALF_HOUR, "temperature"]
    assert score()["attribution"] == {"skipped": "no weather of the period was observed", "observed_values": 0}
    known("town-temperature", observed[:12])
    part = score(as_of=END + DAY)["attribution"]
    assert (part["observed_share"], part["observed_values"], part["n"]) == (0.25, 12, 48)
    assert score_series(portal, "town", as_of=END + 2 * DAY, settings=options, airflow=AIRFLOW) == []
    known("town-temperature", observed[12:])
    whole = score(as_of=END + 2 * DAY)["attribution"]
    assert (whole["observed_share"], "observed_values" in whole) == (1, False)
    assert score_series(portal, "town", as_of=END + 3 * DAY, settings=options, airflow=AIRFLOW) == []
    assert ForecastScore.objects.count() == 3


def test_what_the_runs_of_a_series_share_is_asked_for_once(
    ingested: Callable[..., None], portal: Portal, portal_of: Callable[..., Portal], options: Settings, wire: Wire
) -> None:
    ingested()
    store(portal, issues(start=END - 21 * DAY))
    run = published(portal, options, "regression")
    publish_series(portal, "town", as_of=ISSUE + 12 * HOUR, settings=options)
    through = portal_of("through the wire", url=wire.url)
    scores = score_series(through, "town", as_of=END, settings=options, airflow=AIRFLOW)
    assert ["model_mae" in score["attribution"] for score in scores] == [True, True]
    asked = [seen.path.partition("?")[0] for seen in wire.seen]
    for facts in ("series/town/", f"models/{run['model']['id']}/"):
        assert [path for path in asked if path.endswith(f"/{facts}")] == [f"/api/v1/{facts}"]


def test_a_loaded_model_serves_the_next_run_too(
    ingested: Callable[..., None], portal: Portal, options: Settings, tmp_path: Path
) -> None:
    ingested()
    version = portal.model(published(portal, options, "seasonal_naive")["model"]["id"])
    load, facts = remembering_load(), {"sha256": version["artifact_sha256"]}
    model = load(version["artifact_uri"], **facts)
    shutil.rmtree(tmp_path / "artifacts")
    assert load(version["artifact_uri"], **facts) is model


def test_a_model_that_is_told_no_weather_ahead_has_no_part_of_the_error_from_it(
    ingested: Callable[..., None], portal: Portal, options: Settings, score: Score
) -> None:
    ingested()
    published(portal, options, "seasonal_naive")
    assert score()["attribution"] == {}


def test_a_model_that_cannot_be_run_again_is_noted_and_the_score_stands(
    ingested: Callable[..., None], portal: Portal, options: Settings, score: Score, tmp_path: Path
) -> None:
    ingested()
    store(portal, issues(start=END - 21 * DAY))
    published(portal, options, "regression")
    for file in (tmp_path / "artifacts").rglob("*"):
        if file.is_file():
            file.write_bytes(b"damaged")
    scored = score()
    assert scored["n"] == 48
    assert scored["attribution"]["skipped"]
    assert score_series(portal, "town", as_of=END + DAY, settings=options, airflow=AIRFLOW) == [], "once is enough"


@pytest.fixture
def bad_champion(ingested: Callable[..., None], portal: Portal) -> int:
    """A champion whose backtest promised 1 MW, and a week of daily runs of it that miss by more."""
    ingested()
    cutoff = END - 20 * DAY
    model = portal.register_model(
        training(data_cutoff=cutoff.isoformat(), training_end=cutoff.isoformat(), evidence={"metrics": {"mae": 1.0}})
    )
    approve(model["id"], at=cutoff)
    for day in range(1, 9):
        facts = {"model_id": model["id"], "rung": "champion", "reason": ""}
        publish_by_hand(portal, issue_time=END - day * DAY, hours=24, **facts)
    return int(model["id"])


def test_a_champion_that_became_worse_is_told_and_a_training_asked_for_once(
    bad_champion: int, portal_of: Callable[..., Portal], portal: Portal, new_run: Callable[..., Run]
) -> None:
    def done(as_of: datetime, run_id: str) -> dict[str, Any]:
        batch = {"series": ["town"], "as_of": as_of.isoformat()}
        (told,) = score_batch(new_run(portal=portal_of(run_id), run_id=run_id, as_of=as_of), batch)
        return told

    first = done(END, "monday")
    assert (first["runs"], first["state"], first["retrain"]) == (8, "drift", True)
    batches = [{"series": ["town"], "as_of": END.isoformat()}, {"series": ["gone"], "as_of": END.isoformat()}]
    asked = {"series": ["town"], "as_of": END.isoformat(), "as_of_by_series": {"town": END.isoformat()}}
    assert drifted(portal, batches) == asked, "the portal knows, whatever became of the batches"
    with pytest.raises(NoDrift):
        drifted(portal, [{"series": ["town"], "as_of": (END + DAY).isoformat()}, batches[1]])
    signal = AccuracySignal.objects.get()
    assert (signal.n, signal.reference_mae, signal.airflow["run_id"]) == (8, 1.0, "monday")
    scores = ForecastScore.objects.all()
    weights = [score.n for score in scores]
    assert min(weights) < max(weights), "the last run is not over"
    assert signal.mae == pytest.approx(np.average([score.mae for score in scores], weights=weights))

    portal.register_model(training("key-2", kind="regression", data_cutoff=END.isoformat()))
    assert done(END, "monday again")["retrain"] is True, "a repetition comes to the same end"
    later = done(END + DAY, "tuesday")
    assert (later["state"], later["retrain"]) == ("drift", False), "there is a recent one"


def test_a_replay_of_the_past_judges_what_had_been_issued_then(
    bad_champion: int, portal: Portal, new_run: Callable[..., Run]
) -> None:
    moment = END - 4 * DAY
    (told,) = score_batch(new_run(as_of=moment), {"series": ["town"], "as_of": moment.isoformat()})
    assert told["state"] == "unknown", "four runs, and seven are needed"
    assert AccuracySignal.objects.get().n == 4
