"""Publication: the first rung of the ladder that holds, from what was known at the issue time, once and whole."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from include.artifacts import load_artifact
from include.errors import NothingToPublish
from include.history import load_history
from include.portal import Portal
from include.run import Run
from include.settings import Settings
from include.tasks.ingest import Ingested
from include.tasks.publish import PublishedRun, publish_batch, publish_series
from portal.forecasts.models import ForecastRun
from portal.registry.models import ModelVersion
from portal.series.catalog import load_catalog
from tests.include.town import DAY, END, HALF_HOUR, catalog, readings
from tests.include.wire import Wire

ISSUE = END - DAY
"""A time for which the town's file holds what came after, which must not matter."""


@pytest.fixture
def publish(portal: Portal, options: Settings) -> Callable[..., PublishedRun]:
    def run(*, at: datetime = ISSUE, through: Portal = portal) -> PublishedRun:
        return publish_series(through, "town", as_of=at, settings=options)

    return run


def stored() -> ForecastRun:
    return ForecastRun.objects.get()


@pytest.mark.parametrize("kind", ["seasonal_naive", "gradient_boosting"])
def test_the_champions_forecast_of_the_whole_horizon_is_published(
    ingested: Callable[..., None],
    champion: Callable[..., ModelVersion],
    publish: Callable[..., PublishedRun],
    portal: Portal,
    options: Settings,
    kind: str,
) -> None:
    ingested()
    model = champion(kind, as_of=ISSUE)
    done = publish()
    assert (done.rung, done.status) == ("champion", "created")
    run = stored()
    assert (run.pk, run.model, run.rung, run.reason) == (done.id, model, "champion", "")
    assert (run.issue_time, run.data_cutoff) == (ISSUE, ISSUE)
    assert (run.valid_from, run.valid_until, run.value_count) == (ISSUE, ISSUE + DAY, 3 * 48)
    history = load_history(portal, portal.series("town"), as_of=ISSUE, days=options.context_days)
    assert history.index[-1] == ISSUE - 3 * HALF_HOUR, "the last hour was not known yet"
    values = portal.forecast_values(done.id)
    future = pd.DataFrame({"temperature": float("nan")}, index=values.index)
    expected = load_artifact(model.artifact_uri, sha256=model.artifact_sha256).predict(history, future)
    pd.testing.assert_frame_equal(values, expected, check_freq=False, check_names=False)


def test_publishing_again_in_another_run_changes_nothing(
    ingested: Callable[..., None],
    champion: Callable[..., ModelVersion],
    publish: Callable[..., PublishedRun],
    portal_of: Callable[..., Portal],
) -> None:
    ingested()
    champion(as_of=ISSUE)
    one, other = (publish(through=portal_of(run)) for run in ("monday", "tuesday"))
    assert (other.id, other.status) == (one.id, "unchanged")
    assert ForecastRun.objects.count() == 1


def test_what_became_known_after_the_issue_time_changes_no_forecast(
    ingested: Callable[..., None],
    town: Callable[..., Path],
    champion: Callable[..., ModelVersion],
    publish: Callable[..., PublishedRun],
    portal_of: Callable[..., Portal],
    ingest: Callable[..., Ingested],
) -> None:
    ingested()
    champion("gradient_boosting", as_of=ISSUE)
    first = publish()
    frame = readings(end=END + DAY)
    frame += 7
    town(frame)
    corrected = ingest(as_of=END + 2 * DAY)
    assert corrected.corrected > 0
    again = publish(through=portal_of("a replay"))
    assert (again.id, again.status) == (first.id, "unchanged")


def test_without_a_champion_the_seasonal_naive_publishes_and_says_why(
    ingested: Callable[..., None], publish: Callable[..., PublishedRun]
) -> None:
    ingested()
    assert publish().rung == "seasonal_naive"
    run = stored()
    assert (run.model, run.value_count) == (None, 3 * 48)
    assert run.reason == (
        "champion: no model has been approved; previous_champion: there was none before; "
        "earlier_run: none covers the 12 hours from the issue time on"
    )


def test_a_champion_that_stumbles_gives_way_and_its_error_is_kept(
    ingested: Callable[..., None],
    champion: Callable[..., ModelVersion],
    publish: Callable[..., PublishedRun],
) -> None:
    ingested()
    champion(as_of=ISSUE)
    load, weather = catalog()["series"]
    load_catalog({"series": [weather, {**load, "covariates": []}]})  # what the model was trained with is taken away
    assert publish().rung == "seasonal_naive"
    assert (
        "champion: version 1 failed: DataContractError: history lacks the covariates ['temperature']" in stored().reason
    )


def test_a_lost_answer_publishes_once(
    ingested: Callable[..., None],
    champion: Callable[..., ModelVersion],
    publish: Callable[..., PublishedRun],
    portal_of: Callable[..., Portal],
    wire: Wire,
) -> None:
    ingested()
    champion(as_of=ISSUE)
    publish(through=portal_of("a rehearsal", url=wire.url))
    requests = len(wire.seen)
    assert wire.seen[-1].method == "POST"
    wire.script(*["pass"] * (requests - 1), "lost")
    done = publish(at=ISSUE + HALF_HOUR, through=portal_of("monday", url=wire.url))
    assert done.status == "created", "the first answer, given again"
    assert ForecastRun.objects.filter(issue_time=ISSUE + HALF_HOUR).count() == 1


def test_a_batch_publishes_every_series_though_one_cannot(
    ingested: Callable[..., None], new_run: Callable[..., Run], champion: Callable[..., ModelVersion]
) -> None:
    ingested()
    champion(as_of=ISSUE)
    load, weather = catalog()["series"]
    load_catalog({"series": [weather, {**load, "slug": "village"}]})
    with pytest.raises(NothingToPublish, match=r"^village at"):
        publish_batch(new_run(), {"series": ["village", "town"], "as_of": ISSUE.isoformat()})
    assert stored().series.slug == "town"
