"""Scores: published forecasts against the loads that were known, beside the naive from the same issue time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from django.db import transaction

from include.portal import Portal
from include.run import Run
from include.settings import Settings
from include.tasks.ingest import Ingested
from include.tasks.score import RunsNotScored, score_batch, score_series
from portal.forecasts.incoming import IncomingRun
from portal.forecasts.models import AccuracySignal, ForecastScore
from portal.forecasts.operations import store_runs
from portal.series.models import Series
from tests.include.facts import AIRFLOW, publish_by_hand
from tests.include.town import DAY, END, HALF_HOUR, readings

HOUR = timedelta(hours=1)
ISSUE = END - 3 * DAY


@pytest.fixture
def score(portal: Portal, options: Settings) -> Callable[..., list[dict[str, Any]]]:
    def run(*, as_of: datetime = END) -> list[dict[str, Any]]:
        return score_series(portal, "town", as_of=as_of, settings=options, airflow=AIRFLOW)

    return run


def loads(start: datetime, end: datetime) -> pd.Series:
    return readings().loc[start : end - HALF_HOUR, "load"]


def test_a_run_is_scored_on_its_loads_beside_the_naive_of_its_issue_time(
    ingested: Callable[..., None], portal: Portal, score: Callable[..., list[dict[str, Any]]]
) -> None:
    ingested()
    run = publish_by_hand(portal, issue_time=ISSUE, hours=24)
    score()
    kept = ForecastScore.objects.get()
    truth = loads(ISSUE, ISSUE + DAY).to_numpy()
    assert (kept.forecast_run_id, kept.as_of, kept.n) == (run, END, 48)
    assert kept.mae == pytest.approx(np.abs(truth - 50).mean())
    assert kept.rmse == pytest.approx(np.sqrt(((truth - 50) ** 2).mean()))
    assert kept.mape == pytest.approx(100 * (np.abs(truth - 50) / truth).mean())
    assert kept.bias == pytest.approx((50 - truth).mean())
    assert kept.coverage_80 == pytest.approx(((truth >= 40) & (truth <= 60)).mean())
    losses = [np.maximum(q * (truth - v), (q - 1) * (truth - v)).mean() for q, v in ((0.1, 40), (0.5, 50), (0.9, 60))]
    assert kept.pinball == pytest.approx(np.mean(losses))

    # A week before, but for the last two half-hours, the load was known at the issue time.
    naive = np.abs(truth - loads(ISSUE - 7 * DAY, ISSUE - 6 * DAY).to_numpy()).mean()
    assert kept.baseline["n"] == 48
    assert kept.baseline["mae"] == pytest.approx(naive)
    blocks = [(block["lead_time_from"], block["lead_time_to"], block["n"]) for block in kept.by_lead_time]
    assert blocks == [(0, 6, 12), (6, 12, 12), (12, 18, 12), (18, 24, 12)]
    assert kept.by_lead_time[0]["mae"] == pytest.approx(np.abs(truth[:12] - 50).mean())


def test_scoring_again_on_the_same_loads_finds_nothing_to_score(
    ingested: Callable[..., None], portal: Portal, score: Callable[..., list[dict[str, Any]]]
) -> None:
    ingested()
    publish_by_hand(portal, issue_time=ISSUE, hours=24)
    assert len(score()) == 1
    assert score() == []
    assert score(as_of=END + DAY) == []
    assert ForecastScore.objects.count() == 1


def test_a_run_that_is_not_over_is_scored_as_far_as_its_loads_are_known_and_later_in_full(
    ingested: Callable[..., None], portal: Portal, score: Callable[..., list[dict[str, Any]]]
) -> None:
    ingested()
    publish_by_hand(portal, issue_time=ISSUE, hours=24)
    assert score(as_of=ISSUE + HOUR) == [], "the first load becomes known an hour after its interval"
    (part,) = score(as_of=ISSUE + 7 * HOUR)
    (whole,) = score(as_of=END)
    assert (part["n"], part["baseline"]["n"], whole["n"]) == (12, 12, 48)
    assert [block["n"] for block in part["by_lead_time"] if block["n"]] == [12]
    assert ForecastScore.objects.count() == 2


def test_a_correction_counts_from_when_it_was_known(
    ingested: Callable[..., None],
    town: Callable[..., Path],
    portal: Portal,
    score: Callable[..., list[dict[str, Any]]],
    ingest: Callable[..., Ingested],
) -> None:
    ingested()
    publish_by_hand(portal, issue_time=ISSUE, hours=24)
    (before,) = score(as_of=END)
    frame = readings()
    frame.loc[ISSUE : ISSUE + DAY - HALF_HOUR, "load"] += 100
    town(frame)
    ingest(as_of=END + DAY)
    assert score(as_of=END) == [], "what was known then has not changed"
    (after,) = score(as_of=END + DAY)
    assert after["bias"] == pytest.approx(before["bias"] - 100)
    assert after["actuals_sha256"] != before["actuals_sha256"]
    assert sorted(ForecastScore.objects.values_list("as_of", flat=True)) == [END, END + DAY], "both are kept"


def test_a_run_is_scored_however_old_and_none_before_its_loads_are_known(
    ingested: Callable[..., None], portal: Portal, score: Callable[..., list[dict[str, Any]]]
) -> None:
    ingested()
    old, newest = (publish_by_hand(portal, issue_time=at, hours=6) for at in (END - 30 * DAY, END - DAY))
    publish_by_hand(portal, issue_time=END, hours=6)
    assert [each["forecast_run"] for each in score(as_of=END + 300 * DAY)] == [old, newest]


def without_median(issue_time: datetime) -> int:
    """A run as the ledger took it before it asked for the median; returns its id."""
    times = np.arange(4) * 1_800_000_000 + int(issue_time.timestamp()) * 1_000_000
    run = IncomingRun(
        series=Series.objects.get(slug="town"),
        issue_us=int(times[0]),
        model=None,
        cutoff_us=int(times[0]),
        rung="seasonal_naive",
        reason="by hand",
        valid_us=times,
        quantiles=np.array([0.1, 0.9]),
        values=np.full((4, 2), 50.0),
    )
    with transaction.atomic():
        (stored,) = store_runs([run])
    return stored.pk


def test_a_run_that_cannot_be_scored_stops_no_other_and_is_named_at_the_end(
    ingested: Callable[..., None], portal: Portal, new_run: Callable[..., Run]
) -> None:
    ingested()
    early = publish_by_hand(portal, issue_time=ISSUE - HOUR, hours=24)
    bad = without_median(ISSUE)
    late = publish_by_hand(portal, issue_time=ISSUE + HOUR, hours=24)
    with pytest.raises(RunsNotScored, match=rf"1 of 3 runs of town cannot be scored: run {bad}: "):
        score_batch(new_run(), {"series": ["town"], "as_of": END.isoformat()})
    kept = ForecastScore.objects.order_by("forecast_run__issue_time")
    assert [score.forecast_run_id for score in kept] == [early, late]
    assert kept[1].stability["against_run"] == early, "there is no median to hold it against in between"
    assert AccuracySignal.objects.filter(series__slug="town", as_of=END).exists()


def test_where_no_naive_can_be_made_the_score_stands_alone(
    ingested: Callable[..., None], portal: Portal, score: Callable[..., list[dict[str, Any]]]
) -> None:
    ingested(readings(start=END - 9 * DAY))
    publish_by_hand(portal, issue_time=ISSUE, hours=24)
    (alone,) = score()
    assert alone["baseline"] == {}
    assert alone["n"] == 48


def test_a_gap_in_the_loads_is_left_out(
    ingested: Callable[..., None], portal: Portal, score: Callable[..., list[dict[str, Any]]]
) -> None:
    frame = readings()
    frame.loc[ISSUE + 2 * HOUR : ISSUE + 4 * HOUR - HALF_HOUR, "load"] = None
    ingested(frame)
    publish_by_hand(portal, issue_time=ISSUE, hours=24)
    (scored,) = score()
    assert (scored["n"], scored["baseline"]["n"]) == (44, 44)


def known(portal: Portal, loads: pd.Series, *, at: datetime | pd.DatetimeIndex, recorded_at: datetime) -> None:
    """Tells the portal of loads of the town."""
    rows = pd.DataFrame({"series": "town", "valid_time": loads.index, "value": loads.to_numpy(), "known_at": at})
    assert not portal.record_observations(rows, recorded_at=recorded_at)["rejected"]


def test_loads_that_are_stored_late_are_scored_then_and_no_more(
    ingested: Callable[..., None], portal: Portal, score: Callable[..., list[dict[str, Any]]]
) -> None:
    ingested(readings(end=ISSUE + 20 * HOUR))
    publish_by_hand(portal, issue_time=ISSUE, hours=24)
    (part,) = score()
    rest = loads(ISSUE + 20 * HOUR, ISSUE + DAY)
    known(portal, rest[:6], at=rest.index[:6] + HOUR, recorded_at=END)
    assert score() == [], "there is a score of this time"
    (more,) = score(as_of=END + DAY)
    assert (part["n"], more["n"], more["expected"]) == (40, 46, 48)
    assert score(as_of=END + 2 * DAY) == []
    assert ForecastScore.objects.count() == 2


def test_a_run_whose_loads_were_all_withdrawn_is_scored_on_none_and_no_more(
    ingested: Callable[..., None], portal: Portal, score: Callable[..., list[dict[str, Any]]]
) -> None:
    ingested()
    publish_by_hand(portal, issue_time=ISSUE, hours=24)
    score()
    known(portal, loads(ISSUE, ISSUE + DAY) * np.nan, at=END + HOUR, recorded_at=END + HOUR)
    (withdrawn,) = score(as_of=END + DAY)
    assert (withdrawn["n"], withdrawn["expected"], withdrawn["mae"], withdrawn["skill"]) == (0, 48, None, None)
    assert withdrawn["peak_mae"] is None
    assert score(as_of=END + 2 * DAY) == []
    assert [kept.n for kept in ForecastScore.objects.order_by("as_of")] == [48, 0]


def test_a_batch_tells_how_many_runs_of_each_series_it_scored(
    ingested: Callable[..., None], portal: Portal, new_run: Callable[..., Run]
) -> None:
    ingested()
    publish_by_hand(portal, issue_time=ISSUE, hours=24)
    batch = {"series": ["town"], "as_of": END.isoformat()}
    (done,) = score_batch(new_run(), batch)
    assert done == {"series": "town", "as_of": END.isoformat(), "runs": 1, "state": "unknown", "retrain": False}
