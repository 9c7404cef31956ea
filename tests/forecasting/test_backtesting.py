import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting import DataContractError, NotFittedError, SettingsError, backtest, daily_origins
from forecasting.metrics import METRICS

QUANTILES = [0.1, 0.5, 0.9]


def origins_of(frame, count=3, every_days=1):
    return daily_origins(frame, timezone="Europe/London", horizon="48h", count=count, every_days=every_days)


def test_origins_are_local_midnights_across_a_clock_change(demand):
    origins = origins_of(demand(start="2024-03-01", days=34), count=4)
    assert origins.tz_convert("Europe/London").strftime("%d %H:%M").tolist() == [
        "30 00:00", "31 00:00", "01 00:00", "02 00:00",
    ]  # fmt: skip
    assert origins.strftime("%H").tolist() == ["00", "00", "23", "23"]


def test_fewer_origins_come_back_where_fewer_fit_and_none_is_an_error(demand):
    assert len(origins_of(demand(days=18), count=50)) == 3
    assert len(origins_of(demand(days=30), count=50, every_days=5)) == 3
    with pytest.raises(DataContractError, match="no origin"):
        origins_of(demand(days=15))


CHEAP = {"arima": {}, "gradient_boosting": {"trees": 20}, "lstm": {"epochs": 1, "most_origins": 64}}


@pytest.mark.parametrize("kind", CHEAP)
@pytest.mark.parametrize("refit", [False, True])
def test_no_value_from_an_origin_on_changes_a_forecast_of_it(kind, refit, new_model, demand):
    """Neither a load nor a withheld covariate; a known one does, or the test could not fail."""
    original = demand(days=40)
    origins = origins_of(original)

    def forecasts(frame, **options):
        model = new_model(kind, **(CHEAP[kind] | options))
        return backtest(model, frame, origins=origins[:2], refit=refit).predictions[QUANTILES]

    expected = forecasts(original)

    @settings(max_examples=1 if kind == "lstm" else 4, deadline=None)
    @given(seed=st.integers(0, 2**32), share=st.floats(0, 1), column=st.sampled_from([["load"], ["temperature"], None]))
    def any_change_after_the_origin(seed, share, column):
        generator = np.random.default_rng(seed)
        changed = original.copy()
        for name in column or original.columns:
            late = np.flatnonzero(changed.index >= origins[1])
            late = late[generator.random(len(late)) <= share]
            changed.loc[changed.index[late], name] = np.where(
                generator.random(len(late)) < 0.2, np.nan, generator.normal(0, 1e5, len(late))
            )
        pd.testing.assert_frame_equal(forecasts(changed), expected)

    any_change_after_the_origin()
    warmer = original.copy()
    warmer.loc[warmer.index >= origins[1], "temperature"] += 5.0
    seen = {"known_future": ("temperature",)}
    assert not forecasts(warmer, **seen).iloc[48:].equals(forecasts(original, **seen).iloc[48:])


def test_the_report_says_what_was_known_at_each_origin(new_model, demand):
    frame = demand(days=40)
    origins = origins_of(frame)
    report = backtest(new_model("arima"), frame, origins=origins)
    for origin, known in zip(origins, report.known_at_origin, strict=True):
        assert pd.Timestamp(known["last_load"]) + pd.Timedelta(hours=1) == origin == pd.Timestamp(known["origin"])
        assert pd.Timestamp(known["trained_until"]) == origins[0]
        assert pd.Timestamp(known["forecast_until"]) - origin == pd.Timedelta("48h")


@pytest.mark.parametrize(
    ("known_future", "words"),
    [
        ([], "unknown from the origin on"),
        (["temperature"], "observed values, as if perfectly forecast"),
        (None, "observed values, as if perfectly forecast"),
    ],
)
def test_the_report_says_what_was_assumed_of_each_covariate(known_future, words, new_model, demand):
    frame = demand(days=40)
    report = backtest(new_model("arima", known_future=known_future), frame, origins=origins_of(frame, count=1))
    assert report.to_dict()["covariates"] == {"temperature": words}
    assert report.to_dict()["parameters"]["known_future"] == known_future


def test_the_weather_to_come_helps_only_a_model_that_may_know_it(new_model, demand):
    frame = demand(days=40)
    errors = [
        backtest(new_model("arima", known_future=known), frame, origins=origins_of(frame)).metrics["mae"]
        for known in ((), ("temperature",))
    ]
    assert errors[1] < 0.5 * errors[0]


def test_the_report_holds_every_measure_and_is_json(new_model, demand):
    frame = demand(days=40)
    report = backtest(new_model("arima", known_future=("temperature",)), frame, origins=origins_of(frame))
    assert tuple(report.metrics) == tuple(report.baseline) == METRICS
    assert report.metrics["n"] == 3 * 48
    assert sum(block["n"] for block in report.by_lead_time) == 3 * 48
    assert 0.5 < report.skill < 1
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["kind"] == "arima"


def test_the_baseline_is_the_seasonal_naive_on_the_same_rows(new_model, demand):
    frame = demand(days=40)
    report = backtest(new_model("seasonal_naive"), frame, origins=origins_of(frame))
    assert report.metrics == report.baseline
    assert report.skill == 0
    rows = report.predictions
    week_ago = frame["load"].reindex(pd.DatetimeIndex(rows["valid_time"]) - pd.Timedelta(days=7))
    np.testing.assert_array_equal(rows["baseline"], week_ago)


def test_missing_actuals_are_left_out_of_the_measures(new_model, demand):
    frame = demand(days=40)
    frame.iloc[-60:-55, 0] = np.nan
    report = backtest(new_model("seasonal_naive"), frame, origins=origins_of(frame, count=1))
    assert report.metrics["n"] == 48 - int(frame["load"].iloc[-48:].isna().sum())
    assert report.predictions[QUANTILES].notna().all().all()


def test_refitting_trains_until_each_origin_and_leaves_the_model_alone(new_model, demand):
    frame = demand(days=40)
    model = new_model("arima")
    report = backtest(model, frame, origins=origins_of(frame), refit=True)
    assert [known["trained_until"] for known in report.known_at_origin] == [
        known["origin"] for known in report.known_at_origin
    ]
    with pytest.raises(NotFittedError):
        model.save("nowhere")


def test_progress_is_told_after_each_origin(new_model, demand):
    frame = demand(days=30)
    told = []
    backtest(new_model("seasonal_naive"), frame, origins=origins_of(frame), progress=lambda *step: told.append(step))
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("origins", "words"),
    [
        (pd.DatetimeIndex([]), "empty"),
        (pd.DatetimeIndex(["2024-02-20"]), "no timezone"),
        (pd.DatetimeIndex(["2024-02-20T00:20Z"]), "no row of the history"),
        (pd.DatetimeIndex(["2025-02-20T00:00Z"]), "no row of the history"),
        (pd.DatetimeIndex(["2024-02-05T00:00Z"]), "two weeks"),
    ],
)
def test_an_origin_that_cannot_be_forecast_from_is_refused(origins, words, new_model, demand):
    with pytest.raises(DataContractError, match=words):
        backtest(new_model("seasonal_naive"), demand(days=40), origins=origins)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"timezone": "Mars"}, "IANA"),
        ({"horizon": "soon"}, "not a duration"),
        ({"horizon": "-2h"}, "positive"),
        ({"count": 0}, "count 0"),
        ({"every_days": 0}, "every_days 0"),
        ({"every_days": 1.5}, r"every_days 1\.5"),
    ],
)
def test_origins_of_wrong_settings_are_refused_by_name(options, words, demand):
    with pytest.raises(SettingsError, match=words):
        daily_origins(demand(), **{"timezone": "Europe/London", "horizon": "48h", "count": 2, **options})


@pytest.mark.parametrize("origins", [None, ["2024-03-01T00:00Z"], pd.Timestamp("2024-03-01T00:00Z")])
def test_origins_that_are_no_index_of_times_are_refused(origins, new_model, demand):
    with pytest.raises(DataContractError, match="origins are a pandas DatetimeIndex"):
        backtest(new_model("seasonal_naive"), demand(), origins=origins)


def test_an_origin_in_another_age_is_no_row_of_the_history(new_model, demand):
    origins = pd.DatetimeIndex(np.array(["3000-01-01"], dtype="datetime64[s]")).tz_localize("UTC")
    with pytest.raises(DataContractError, match=r"origin 0 .* is no row"):
        backtest(new_model("seasonal_naive"), demand(), origins=origins)
