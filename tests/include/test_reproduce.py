"""A published run can be made again from its artifact and its data cut-off, whatever became known since."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from include.errors import BadArtifact
from include.portal import NotFound, Portal
from include.settings import Settings
from include.tasks.ingest import Ingested
from include.tasks.publish import publish_series
from include.tasks.reproduce import NotReproduced, reproduce_run
from portal.forecasts.models import ForecastRun
from portal.registry.models import ModelVersion
from portal.series.models import Covariate, Series
from tests.include.facts import check_run, publish_by_hand
from tests.include.town import DAY, END, HALF_HOUR, readings
from tests.include.weather import issues, store

ISSUE = END - DAY


@pytest.fixture
def published(
    ingested: Callable[..., None], champion: Callable[..., ModelVersion], portal: Portal, options: Settings
) -> Callable[..., int]:
    """Publishes a run by a champion that knows the weather ahead; everything is stored as of then."""

    def make(kind: str = "regression") -> int:
        ingested()
        Series.objects.filter(slug="town").update(preprocessing="standard")
        store(portal, issues(end=ISSUE))
        champion(kind, as_of=ISSUE)
        return publish_series(portal, "town", as_of=ISSUE, settings=options).id

    return make


def everything_changes(portal: Portal, town: Callable[..., Path], ingest: Callable[..., Ingested]) -> None:
    """Each load and temperature is corrected, later ones arrive, and so do newer weather forecasts."""
    town(readings(end=END + DAY) + 7)
    assert ingest(as_of=END + 2 * DAY).corrected > 0
    later = issues(start=ISSUE, end=END + DAY)
    store(portal, later.assign(value=later["value"] + 9))


def test_a_run_is_reproduced_after_corrections_and_newer_forecasts(
    published: Callable[..., int],
    portal: Portal,
    town: Callable[..., Path],
    options: Settings,
    ingest: Callable[..., Ingested],
) -> None:
    run = published()
    before = portal.forecast_values(run)
    everything_changes(portal, town, ingest)
    Series.objects.filter(slug="town").update(preprocessing="raw")
    again = reproduce_run(portal, run, options)
    assert (again.run, again.series, again.rung) == (run, "town", "champion")
    pd.testing.assert_frame_equal(again.values, before, check_freq=False, check_names=False, rtol=1e-9)


def test_a_fallback_is_reproduced_and_so_is_an_earlier_run_issued_again(
    published: Callable[..., int], portal: Portal, options: Settings, ingested: Callable[..., None]
) -> None:
    ingested()
    naive = publish_series(portal, "town", as_of=ISSUE - DAY, settings=options)
    assert (naive.rung, reproduce_run(portal, naive.id, options).rung) == ("seasonal_naive", "seasonal_naive")
    portal.record_check_run(check_run(as_of=ISSUE - DAY, status="failed"))
    issued_again = publish_series(portal, "town", as_of=ISSUE - DAY + 5 * HALF_HOUR, settings=options)
    assert (issued_again.rung, issued_again.status) == ("earlier_run", "created")
    assert len(reproduce_run(portal, issued_again.id, options).values) == 48 - 5


def test_an_earlier_run_of_a_model_is_reproduced_from_its_own_cut_off(
    published: Callable[..., int], portal: Portal, options: Settings
) -> None:
    published()
    portal.record_check_run(check_run(as_of=ISSUE, status="failed"))
    later = publish_series(portal, "town", as_of=ISSUE + timedelta(minutes=37), settings=options)
    assert later.rung == "earlier_run"
    assert len(reproduce_run(portal, later.id, options).values) == 48 - 2


def test_a_run_that_cannot_be_reproduced_names_the_first_difference(
    published: Callable[..., int], portal: Portal, options: Settings
) -> None:
    run = published()
    Covariate.objects.all().delete()
    values = portal.forecast_values(run)
    with pytest.raises(Exception, match="lacks the covariates"):
        reproduce_run(portal, run, options)
    by_hand = publish_by_hand(portal, issue_time=ISSUE + DAY, rung="seasonal_naive")
    with pytest.raises(NotReproduced) as refused:
        reproduce_run(portal, by_hand, options)
    message = str(refused.value)
    first = (ISSUE + DAY).isoformat()
    assert message.startswith(f"Run {by_hand} of town, issued ")
    assert "144 of 144 values differ" in message
    assert f"the first at {first}, quantile 0.1: published 40, made again " in message
    assert np.isfinite(values).all(axis=None)


def test_a_run_whose_artifact_was_harmed_and_a_run_that_is_none_are_refused(
    published: Callable[..., int], portal: Portal, options: Settings
) -> None:
    run = published()
    manifest = Path(ModelVersion.objects.get().artifact_uri.removeprefix("file://")) / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:-10])
    with pytest.raises(BadArtifact):
        reproduce_run(portal, run, options)
    with pytest.raises(NotFound):
        reproduce_run(portal, ForecastRun.objects.latest("pk").pk + 1, options)
