"""Candidates that know the weather ahead: trained and judged with what was forecast, and forecasting from the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecasting import tuning
from forecasting.search_space import SPACES, Range
from include.artifacts import load_artifact
from include.inputs import Recipe, horizon_index, load_future, load_inputs
from include.model_forecast import ModelFailed, model_forecast
from include.portal import Portal
from include.settings import Settings
from include.tasks.ladder import Ladder
from include.tasks.publish import publish_series
from include.tasks.train import train_series
from portal.registry.models import ModelVersion
from portal.series.models import Series
from tests.include.facts import AIRFLOW, approve
from tests.include.town import DAY, END, HALF_HOUR, START, readings
from tests.include.weather import DELAY, TWELVE_HOURS, issues, store

Train = Callable[..., ModelVersion]
ISSUE = END - DAY


@pytest.fixture
def train(portal: Portal, options: Settings) -> Train:
    def run(kind: str = "regression", *, as_of: datetime = ISSUE, **settings: Any) -> ModelVersion:
        (trained,) = train_series(
            portal,
            "town",
            as_of=as_of,
            kinds=[kind],
            settings=options.model_copy(update=settings),
            airflow=AIRFLOW,
        )
        return ModelVersion.objects.get(pk=trained.id)

    return run


def test_a_covariate_that_is_forecast_for_the_horizon_is_known_ahead_and_the_evidence_says_what_was_forecast(
    ingested: Callable[..., None], portal: Portal, train: Train
) -> None:
    ingested()
    first = END - 21 * DAY
    store(portal, issues(start=first))
    model = train()
    assert model.parameters["known_future"] == ["temperature"]
    weather = model.evidence["weather"]
    assert weather["lead_time_hours"] == 24
    told = weather["covariates"]["temperature"]
    assert (told["known_ahead"], told["horizon_share"]) == (True, 1)
    assert pd.Timestamp(told["forecast"]["first"]) == first + DELAY + DAY
    assert pd.Timestamp(told["observed"]["first"]) == START
    assert pd.Timestamp(told["observed"]["last"]) == first + DELAY + DAY - HALF_HOUR
    assert model.evidence["covariates"] == {"temperature": "as forecast at the origin"}
    for known in model.evidence["known_at_origin"]:
        shares = known["covariates"]["temperature"]
        assert (shares["forecast_share"], shares["observed_share"]) == (1, 0)
        trained_on = pd.Timestamp(known["trained_until"])
        assert trained_on <= pd.Timestamp(known["origin"])


def test_an_origin_before_the_first_forecast_says_that_observations_stood_in(
    ingested: Callable[..., None], portal: Portal, train: Train
) -> None:
    ingested()
    store(portal, issues(start=ISSUE - 2 * DAY - TWELVE_HOURS))
    model = train()
    assert model.evidence["covariates"] == {
        "temperature": "as forecast at the origin; observed values where no forecast was known"
    }
    first, last = (known["covariates"]["temperature"] for known in model.evidence["known_at_origin"])
    assert (first["forecast_share"], first["observed_share"]) == (0, 1)
    assert last["forecast_share"] == 1


@pytest.mark.parametrize("reach_days", [0.5, 0])
def test_without_forecasts_for_the_whole_horizon_the_weather_counts_as_unknown(
    ingested: Callable[..., None], portal: Portal, train: Train, reach_days: float
) -> None:
    ingested()
    if reach_days:
        store(portal, issues(start=ISSUE - 10 * DAY, end=ISSUE + TWELVE_HOURS, days=1 + reach_days))
    model = train(horizon="48h")
    told = model.evidence["weather"]["covariates"]["temperature"]
    assert model.parameters["known_future"] == []
    assert not told["known_ahead"]
    assert told["horizon_share"] == pytest.approx(reach_days)
    assert model.evidence["covariates"] == {"temperature": "unknown from the origin on"}


def test_a_published_forecast_is_made_from_inputs_like_those_of_the_training(
    ingested: Callable[..., None], portal: Portal, train: Train, options: Settings
) -> None:
    ingested()
    store(portal, issues(start=END - 21 * DAY))
    model = train()
    approve(model.pk, at=ISSUE)
    done = publish_series(portal, "town", as_of=ISSUE, settings=options)
    assert done.rung == "champion"
    series = portal.series("town")
    recipe = Recipe.of_series(series, weather_lead=DAY)
    history = load_inputs(portal, series, as_of=ISSUE, days=options.context_days, recipe=recipe).history
    measured = readings()["temperature"].reindex(history.index)
    assert (history["temperature"] != measured)[-10 * 48 :].all(), "the past as it was forecast, as in the training"
    values = portal.forecast_values(done.id)
    future = load_future(portal, series, pd.DatetimeIndex(values.index), as_of=ISSUE, recipe=recipe)
    assert future["temperature"].notna().all()
    loaded = load_artifact(model.artifact_uri, sha256=model.artifact_sha256)
    expected = loaded.predict(history, future.asfreq("30min"))
    pd.testing.assert_frame_equal(values, expected, check_freq=False, check_names=False)
    assert not np.allclose(values, loaded.predict(history, future.asfreq("30min") + 5)), "it leans on the forecast"


def test_what_was_issued_or_measured_after_an_issue_time_changes_no_candidate_and_no_forecast(
    ingested: Callable[..., None], portal: Portal, portal_of: Callable[..., Portal], train: Train, options: Settings
) -> None:
    ingested()
    before = issues(start=END - 21 * DAY, end=ISSUE)
    store(portal, before[before["known_at"] <= ISSUE])
    model = train()
    approve(model.pk, at=ISSUE)
    first = publish_series(portal, "town", as_of=ISSUE, settings=options)
    later = issues(start=ISSUE - DAY, end=END).assign(value=77.0)
    later["issue_time"] += 5 * HALF_HOUR
    later["known_at"] = ISSUE + HALF_HOUR
    later = later[(later["valid_time"] >= later["issue_time"]) & (later["issue_time"] <= later["known_at"])]
    store(portal, later)
    assert train().pk == model.pk, "the same training"
    again = publish_series(portal_of("a replay"), "town", as_of=ISSUE, settings=options)
    assert (again.id, again.status) == (first.id, "unchanged")


def test_forecasts_that_come_or_another_lead_make_another_training_and_the_same_again_none(
    ingested: Callable[..., None], portal: Portal, train: Train
) -> None:
    ingested()
    plain = train()
    store(portal, issues(start=END - 21 * DAY, end=ISSUE))
    forecast, longer = train(), train(weather_lead="36h")
    assert len({plain.pk, forecast.pk, longer.pk}) == 3
    assert train().pk == forecast.pk
    # What only the backtest reads counts as well: an archive that tells later of an origin's forecast.
    late = issues(start=ISSUE - 2 * DAY, end=ISSUE - 2 * DAY + HALF_HOUR).assign(value=3.0)
    late["issue_time"] += HALF_HOUR
    late["known_at"] = late["issue_time"]
    in_between = late["valid_time"].between(ISSUE - DAY, ISSUE - DAY + 20 * HALF_HOUR)
    store(portal, late[in_between])
    assert ModelVersion.objects.count() == 3
    train()
    assert ModelVersion.objects.count() == 4


def test_without_forecasts_and_without_a_profile_an_artifact_is_what_the_library_trains_on_the_observations(
    ingested: Callable[..., None], train: Train, portal: Portal, options: Settings
) -> None:
    from forecasting import create_model
    from include.history import load_history

    ingested()
    model = train("gradient_boosting")
    history = load_history(portal, portal.series("town"), as_of=ISSUE, days=options.training_days)
    expected = create_model(
        "gradient_boosting",
        timezone="Australia/Melbourne",
        country="AU",
        subdivision="VIC",
        quantiles=options.quantiles,
        horizon=options.horizon,
        known_future=(),
    ).fit(history)
    loaded = load_artifact(model.artifact_uri, sha256=model.artifact_sha256)
    assert loaded.training == expected.training
    assert loaded.parameters == expected.parameters
    future = pd.DataFrame({"temperature": np.nan}, index=pd.date_range(ISSUE, periods=48, freq="30min"))
    pd.testing.assert_frame_equal(loaded.predict(history, future), expected.predict(history, future), check_exact=True)


def test_the_search_judges_with_the_weather_as_it_was_forecast(
    ingested: Callable[..., None], portal: Portal, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SPACES, "gradient_boosting", {"trees": Range(2, 4)})
    told: list[set[str]] = []
    backtest = tuning.backtest

    def listening(*given: Any, **options: Any) -> Any:
        report = backtest(*given, **options)
        told.append(set(report.covariates.values()))
        return report

    monkeypatch.setattr(tuning, "backtest", listening)
    ingested()
    store(portal, issues(end=ISSUE))
    study = train("gradient_boosting", tuning_trials=1).evidence["tuning"]
    assert "covariates_at_sha256" in study
    assert told
    assert set().union(*told) <= {"as forecast at the origin"}


# the place and the profile of a series


def test_the_place_of_a_series_gives_its_models_daylight(ingested: Callable[..., None], train: Train) -> None:
    ingested()
    Series.objects.filter(slug="town").update(latitude=-37.8, longitude=145.0)
    model = train()
    assert (model.parameters["latitude"], model.parameters["longitude"]) == (-37.8, 145.0)


def damaged() -> pd.DataFrame:
    frame = readings()
    frame.iloc[700:710, 0] = np.nan
    frame.iloc[-30, 0] *= 1000
    return frame


def test_a_candidate_is_trained_on_the_history_after_the_profile_of_its_series_and_says_what_was_changed(
    ingested: Callable[..., None], train: Train
) -> None:
    ingested(damaged())
    raw = train(as_of=END)
    Series.objects.filter(slug="town").update(preprocessing="standard")
    standard = train(as_of=END)
    assert raw.pk != standard.pk
    assert raw.evidence["preprocessing"] == {"profile": "raw", "rows": 35 * 48 - 2, "steps": []}
    told = standard.evidence["preprocessing"]
    assert told["profile"] == "standard"
    changed = {step["step"]: step["changed"].get("load", {}).get("count", 0) for step in told["steps"]}
    assert changed["outliers"] == 1
    assert changed["linear"] + changed["neighbouring_weeks"] == 11
    assert standard.evidence["training"]["missing_loads"] == 0
    assert raw.evidence["baseline"] == standard.evidence["baseline"], "scores and the naive are of what was measured"


def test_a_live_model_keeps_the_profile_that_it_was_trained_with(
    ingested: Callable[..., None], train: Train, portal: Portal, options: Settings
) -> None:
    ingested(damaged())
    Series.objects.filter(slug="town").update(preprocessing="standard")
    approve(train(as_of=END).pk)

    def forecast() -> pd.DataFrame:
        return Ladder(portal, portal.series("town"), issue_time=END, settings=options).climb().table

    first = forecast()
    Series.objects.filter(slug="town").update(preprocessing="raw")
    pd.testing.assert_frame_equal(forecast(), first)
    approve(train(as_of=END).pk)
    assert not np.allclose(forecast(), first)


def test_a_model_whose_profile_is_no_longer_known_gives_no_forecast_and_says_why(
    ingested: Callable[..., None], train: Train, portal: Portal, options: Settings
) -> None:
    ingested()
    version = portal.model(train(as_of=END).pk)
    old = {"profile": "old", "steps": [{"step": "magic", "parameters": {}}]}
    index = horizon_index(portal.series("town"), start=END, horizon=options.horizon)
    changed = {**version, "evidence": {**version["evidence"], "preprocessing": old}}
    words = "version 1 does not say how its history was prepared: profile 'old', step 0: there is no step 'magic'"
    with pytest.raises(ModelFailed, match=words):
        model_forecast(portal, portal.series("town"), changed, index, issue_time=END, settings=options)
