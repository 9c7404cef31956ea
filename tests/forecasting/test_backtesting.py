import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting import DataContractError, NotFittedError, SettingsError, backtest, create_model, daily_origins
from forecasting.backtesting import PERFECT, WITHHELD
from forecasting.metrics import METRICS
from forecasting.peaks import PEAK_METRICS

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


# A network is compiled anew for each training: once is enough of it.
@pytest.mark.parametrize(
    ("kind", "refit"), [(kind, refit) for kind in CHEAP for refit in (False, True) if not (refit and kind == "lstm")]
)
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


def test_the_report_says_until_when_each_covariate_was_used(new_model, demand):
    frame = demand(days=40).assign(wind=1.0)
    origins = origins_of(frame)
    frame.loc[frame.index >= origins[0] - pd.Timedelta("3h"), "wind"] = np.nan
    frame.iloc[-5:, frame.columns.get_loc("temperature")] = np.nan
    report = backtest(new_model("arima", known_future=("temperature",)), frame, origins=origins, refit=True)
    hour = pd.Timedelta("1h")
    for origin, known in zip(origins, report.known_at_origin, strict=True):
        temperature, wind = known["covariates"]["temperature"], known["covariates"]["wind"]
        assert (temperature["after_origin"], wind["after_origin"]) == (PERFECT, WITHHELD)
        assert pd.Timestamp(temperature["last_observed"]) == origin - hour
        last = min(origin + pd.Timedelta("47h"), frame.index[-6])
        assert pd.Timestamp(temperature["last_used"]) == last
        assert pd.Timestamp(wind["last_observed"]) == pd.Timestamp(wind["last_used"]) == origins[0] - 4 * hour
    unknown = frame.assign(wind=np.nan)
    (known,) = backtest(new_model("seasonal_naive"), unknown, origins=origins[:1]).known_at_origin
    assert known["covariates"]["wind"] == {"last_observed": None, "after_origin": WITHHELD, "last_used": None}


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
    assert tuple(report.metrics) == tuple(report.baseline) == METRICS + PEAK_METRICS
    assert report.metrics["n"] == 3 * 48
    assert sum(block["n"] for block in report.by_lead_time) == 3 * 48
    assert 0.5 < report.skill < 1
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["kind"] == "arima"


def test_the_measures_are_those_of_the_values_that_are_reported(new_model, demand):
    """By another route: plain pandas on the table of predictions, over a day of 23 hours and a holiday."""
    frame = demand(start="2024-03-01", days=34)
    report = backtest(new_model("arima", subdivision="ENG"), frame, origins=origins_of(frame, count=4))
    rows = report.predictions
    error = (rows[0.5] - rows["load"]).abs()
    naive = (rows["baseline"] - rows["load"]).abs()
    local = pd.DatetimeIndex(rows["valid_time"]).tz_convert("Europe/London")
    for found, groups in (
        ({block["lead_time_from"]: block for block in report.by_lead_time}, rows["lead_time_hours"] // 6 * 6),
        ({block["hour"]: block for block in report.by_hour}, local.hour),
    ):
        expected = error.groupby(groups).mean()
        assert list(found) == expected.index.tolist()
        assert [block["mae"] for block in found.values()] == pytest.approx(expected.tolist())
        skills = (1 - expected / naive.groupby(groups).mean()).tolist()
        assert [block["skill"] for block in found.values()] == pytest.approx(skills)
    assert {block["day_type"] for block in report.by_day_type} >= {"saturday", "sunday", "holiday"}
    # Two days from the midnight of the 30th end an hour into the 1st, since the 31st is an hour short.
    (monday,) = report.by_holiday
    assert (monday["date"], monday["holiday"], monday["n"]) == ("2024-04-01", "Easter Monday", 49)
    assert sum(block["n"] for block in report.by_day_type) == report.metrics["n"]
    by_day = rows.assign(day=local.date).groupby(["origin", "day"])[["load", 0.5]]
    days = by_day.max()[by_day.size() >= 23]
    assert report.metrics["peak_days"] == len(days) == 8
    assert report.metrics["peak_bias"] == pytest.approx((days[0.5] - days["load"]).mean())


def test_breakdowns_hold_the_measures_and_both_skills(new_model, demand):
    frame = demand(days=40)
    report = backtest(new_model("seasonal_naive"), frame, origins=origins_of(frame, count=1))
    for name in ("by_lead_time", "by_hour", "by_day_type"):
        for block in getattr(report, name):
            assert tuple(block)[-len(METRICS) - 2 :] == (*METRICS, "skill", "skill_against_champion")
            assert (block["skill"], block["skill_against_champion"]) == (0.0, None)


def test_without_a_champion_there_is_no_comparison_with_one(new_model, demand):
    frame = demand(days=30)
    found = backtest(new_model("seasonal_naive"), frame, origins=origins_of(frame)).to_dict()
    assert [found[name] for name in ("champion", "champion_model", "skill_against_champion")] == [None] * 3
    assert found["significance"]["champion"] is None
    assert found["significance"]["baseline"]["p_value"] is None, "it is the baseline: no difference at all"


@pytest.mark.parametrize("fit", [False, True])
def test_a_champion_competes_as_it_would_if_trained_on_that_day(fit, new_model, demand):
    """It forecasts what its own backtest forecasts: what it was fitted on, here the very future, plays no part."""
    frame = demand(days=40)
    origins = origins_of(frame, count=5)
    champion = new_model("gradient_boosting", trees=20)
    alone = backtest(champion, frame, origins=origins)
    report = backtest(new_model("arima"), frame, origins=origins, champion=champion.fit(frame) if fit else champion)
    assert report.champion == alone.metrics
    np.testing.assert_array_equal(report.predictions["champion"], alone.predictions[0.5])
    assert report.champion_model == {"kind": "gradient_boosting", "parameters": champion.parameters}
    assert report.skill_against_champion == 1 - report.metrics["mae"] / report.champion["mae"]
    daily = report.predictions.set_index("origin")
    difference = (daily[0.5] - daily["load"]).abs() - (daily["champion"] - daily["load"]).abs()
    tested = report.significance["champion"]
    assert tested["mean_difference_mw"] == pytest.approx(difference.groupby("origin").mean().mean())
    assert (tested["n_origins"], tested["overlapping"]) == (5, 2)
    assert all(block["skill_against_champion"] is not None for block in report.by_lead_time)
    json.dumps(report.to_dict(), allow_nan=False)


def test_a_champion_forecasts_what_the_model_forecasts_from_what_the_model_knows(new_model, demand):
    frame = demand(days=40)
    champion = create_model("arima", timezone="UTC", quantiles=(0.5,), horizon="1h", seed=3, daily_harmonics=4)
    report = backtest(new_model("arima"), frame, origins=origins_of(frame), champion=champion)
    found = report.champion_model["parameters"]
    kept = {"seed": 3, "daily_harmonics": 4, "threads": 1}
    of_the_model = {name: report.parameters[name] for name in ("timezone", "country", "quantiles", "horizon")}
    assert found["known_future"] == []
    assert found.items() >= {**kept, **of_the_model}.items()
    assert report.champion["n"] == report.metrics["n"]


def test_a_champion_learns_again_at_each_origin_where_the_model_does(new_model, demand):
    frame = demand(days=40)
    model, origins = new_model("arima"), origins_of(frame)
    again = backtest(model, frame, origins=origins, refit=True, champion=model)
    assert again.champion == again.metrics
    assert again.skill_against_champion == 0
    assert again.champion != backtest(model, frame, origins=origins).metrics


def test_a_backtest_without_any_load_to_compare_with_reports_nothing_and_is_json(new_model, demand):
    frame = demand(days=30)
    origins = origins_of(frame)
    frame.loc[frame.index >= origins[0], "load"] = np.nan
    model = new_model("seasonal_naive")
    report = backtest(model, frame, origins=origins, champion=model)
    assert (report.metrics["n"], report.metrics["peak_days"], report.metrics["mae"]) == (0, 0, None)
    assert (report.skill, report.skill_against_champion) == (None, None)
    assert report.significance["champion"]["n_origins"] == 0
    json.dumps(report.to_dict(), allow_nan=False)


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
