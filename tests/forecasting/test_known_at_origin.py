"""A backtest with the weather as it was forecast at each origin, and with a history prepared at each."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting import DataContractError, backtest, daily_origins, tune
from forecasting.backtesting import FORECAST, PARTLY_FORECAST, PERFECT, WITHHELD
from forecasting.preprocessing import preprocess
from forecasting.search_space import Range

QUANTILES = [0.1, 0.5, 0.9]
DAY = pd.Timedelta(days=1)
KNOWN = {"known_future": ("temperature",)}


def origins_of(frame, count=2):
    return daily_origins(frame, timezone="Europe/London", horizon="48h", count=count)


class Service:
    """Weather forecasts that are wrong by a few degrees; keeps what it was asked."""

    def __init__(self, frame, *, reach="48h", error=3.0):
        self.frame, self.reach, self.error, self.asked = frame, pd.Timedelta(reach), error, []

    def __call__(self, origin, index):
        self.asked.append((origin, index))
        there = index[index < origin + self.reach]
        return pd.DataFrame({"temperature": self.frame["temperature"].reindex(there) + self.error})


@pytest.fixture(scope="module")
def frame(demand):
    return demand(days=40)


def test_a_known_covariate_is_given_as_it_was_forecast_at_the_origin(frame, new_model):
    service = Service(frame)
    model, origins = new_model("regression", **KNOWN), origins_of(frame)
    forecast = backtest(model, frame, origins=origins, covariates_at=service)
    assert [origin for origin, _ in service.asked] == list(origins)
    assert all(len(index) == 48 and index[0] == origin for origin, index in service.asked)
    # As if the history itself had held the forecasts from the first origin on, and nothing else.
    told = frame.copy()
    told.loc[told.index >= origins[0], "temperature"] += 3.0
    as_told = backtest(model, told, origins=origins[:1])
    np.testing.assert_array_equal(forecast.predictions[QUANTILES][:48], as_told.predictions[QUANTILES])
    perfect = backtest(model, frame, origins=origins)
    assert not forecast.predictions[0.5].equals(perfect.predictions[0.5])
    np.testing.assert_array_equal(forecast.predictions["load"], perfect.predictions["load"])


def test_the_report_says_which_share_was_forecast_and_which_observed(frame, new_model):
    origins = origins_of(frame)
    for reach, words, share in (("48h", FORECAST, 1.0), ("12h", PARTLY_FORECAST, 0.25), ("0h", PERFECT, 0.0)):
        report = backtest(
            new_model("arima", **KNOWN), frame, origins=origins, covariates_at=Service(frame, reach=reach)
        )
        assert report.covariates == {"temperature": words}
        for known in report.known_at_origin:
            told = known["covariates"]["temperature"]
            assert (told["after_origin"], told["forecast_share"], told["observed_share"]) == (words, share, 1 - share)


def test_an_origin_with_forecasts_and_one_without_are_told_apart(frame, new_model):
    origins, service = origins_of(frame), Service(frame)

    def only_at_the_second(origin, index):
        return service(origin, index) if origin == origins[1] else pd.DataFrame(index=index)

    report = backtest(new_model("arima", **KNOWN), frame, origins=origins, covariates_at=only_at_the_second)
    assert [known["covariates"]["temperature"]["after_origin"] for known in report.known_at_origin] == [
        PERFECT,
        FORECAST,
    ]
    assert report.to_dict()["covariates"] == {"temperature": PARTLY_FORECAST}


def test_what_was_neither_forecast_nor_observed_is_unknown_and_counts_as_neither(frame, new_model):
    origins = origins_of(frame, count=1)
    late = frame.copy()
    late.loc[late.index >= origins[0] + DAY, "temperature"] = np.nan
    report = backtest(new_model("arima", **KNOWN), late, origins=origins, covariates_at=Service(frame, reach="12h"))
    told = report.known_at_origin[0]["covariates"]["temperature"]
    assert (told["forecast_share"], told["observed_share"]) == (0.25, 0.25)
    assert pd.Timestamp(told["last_used"]) == origins[0] + DAY - pd.Timedelta("1h")


def test_without_forecasts_a_backtest_is_what_it_was_bit_for_bit(frame, new_model):
    model, origins = new_model("regression", **KNOWN), origins_of(frame)
    plain = backtest(model, frame, origins=origins)
    empty = backtest(model, frame, origins=origins, covariates_at=lambda _, index: pd.DataFrame(index=index))
    pd.testing.assert_frame_equal(empty.predictions, plain.predictions, check_exact=True)
    assert empty.to_dict() == plain.to_dict()


def test_a_covariate_that_is_withheld_stays_so_whatever_was_forecast(frame, new_model):
    model, origins = new_model("regression"), origins_of(frame)
    plain = backtest(model, frame, origins=origins)
    told = backtest(model, frame, origins=origins, covariates_at=Service(frame))
    pd.testing.assert_frame_equal(told.predictions, plain.predictions, check_exact=True)
    assert told.covariates == {"temperature": WITHHELD}
    assert "forecast_share" not in told.known_at_origin[0]["covariates"]["temperature"]


@pytest.mark.parametrize("refit", [False, True])
def test_no_observation_from_an_origin_on_changes_a_forecast_where_the_weather_was_forecast(frame, new_model, refit):
    """Neither load nor weather: with the forecasts of then, not even the covariate that is known ahead leaks."""
    service, origins = Service(frame), origins_of(frame)
    model = new_model("regression", **KNOWN)
    expected = backtest(model, frame, origins=origins, refit=refit, covariates_at=service).predictions[QUANTILES]

    @settings(max_examples=5, deadline=None)
    @given(seed=st.integers(0, 2**32), share=st.floats(0, 1))
    def any_change_after_the_first_origin(seed, share):
        generator = np.random.default_rng(seed)
        changed = frame.copy()
        for name in changed.columns:
            late = np.flatnonzero(changed.index >= origins[0])
            late = late[generator.random(len(late)) <= share]
            changed.loc[changed.index[late], name] = generator.normal(0, 1e5, len(late))
        found = backtest(model, changed, origins=origins, refit=refit, covariates_at=service).predictions
        pd.testing.assert_frame_equal(found[QUANTILES][:48], expected[:48])

    any_change_after_the_first_origin()
    wrong = Service(frame, error=20.0)
    other = backtest(model, frame, origins=origins, refit=refit, covariates_at=wrong).predictions[QUANTILES]
    assert not other[:48].equals(expected[:48]), "or the test could not fail"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda _, index: pd.Series(1.0, index=index), "gave a Series"),
        (lambda _, index: pd.DataFrame({"temperature": range(len(index))}), "gave the index int64"),
        (lambda _, index: pd.DataFrame({"temperature": 1.0}, index=index.tz_localize(None)), "rule: its index is"),
        (lambda _, index: pd.DataFrame({"temperature": 1.0}, index=index[[0, 0]]), "each once"),
        (lambda _, index: pd.DataFrame({"temperature": "warm"}, index=index), "gave column 'temperature' of dtype"),
        (lambda _, index: pd.DataFrame(1.0, index=index, columns=["temperature"] * 2), "'temperature' twice"),
    ],
)
def test_an_answer_that_is_no_forecast_is_refused(answer, words, frame, new_model):
    with pytest.raises(DataContractError, match=words):
        backtest(new_model("arima", **KNOWN), frame, origins=origins_of(frame), covariates_at=answer)


# a history that is prepared


def prepared(frame):
    return preprocess(frame, "standard", timezone="Europe/London", country="GB").values


def damaged(frame):
    broken = frame.copy()
    broken.iloc[300:340, 0] = np.nan
    broken.iloc[500, 0] *= 1000
    return broken


def test_a_model_is_trained_on_the_prepared_history_and_scored_on_the_measured_one(frame, new_model):
    broken = damaged(frame)
    origins = origins_of(broken)
    broken.loc[origins[0] + pd.Timedelta("5h"), "load"] *= 1000
    model = new_model("regression")
    report = backtest(model, broken, origins=origins[:1], prepare=prepared)
    before = prepared(broken.loc[broken.index < origins[0]])
    ahead = broken.loc[origins[0] :].iloc[:48].drop(columns="load")
    expected = new_model("regression").fit(before).predict(before, ahead)
    np.testing.assert_array_equal(report.predictions[QUANTILES], expected)
    np.testing.assert_array_equal(report.predictions["load"], broken["load"].loc[origins[0] :].iloc[:48])
    plain = backtest(model, broken, origins=origins[:1])
    np.testing.assert_array_equal(report.predictions["baseline"], plain.predictions["baseline"])


def test_what_is_prepared_at_an_origin_ends_before_it(frame, new_model):
    seen = []

    def watch(history):
        seen.append(history.index[-1])
        return history

    origins = origins_of(frame)
    backtest(new_model("seasonal_naive"), frame, origins=origins, prepare=watch)
    assert seen == [origin - pd.Timedelta("1h") for origin in origins]


def test_no_value_from_an_origin_on_is_used_to_prepare_what_lies_before_it(frame, new_model):
    """A gap a week before the origin would be filled from the week after, and an outlier be judged by it."""
    origins = origins_of(frame, count=1)
    broken = frame.copy()
    week_before = origins[0] - pd.Timedelta(days=6)
    broken.loc[week_before : week_before + pd.Timedelta("20h"), "load"] = np.nan
    changed = broken.copy()
    changed.loc[changed.index >= origins[0], "load"] += 500.0
    model = new_model("regression")
    first, second = (
        backtest(model, each, origins=origins, prepare=prepared).predictions[QUANTILES] for each in (broken, changed)
    )
    pd.testing.assert_frame_equal(first, second, check_exact=True)


def test_a_search_judges_with_the_same_preparation_and_never_resumes_that_of_another(frame, new_model, tmp_path):
    model = new_model("gradient_boosting", trees=4, **KNOWN)
    facts = {"trials": 1, "folds": 1, "origins_per_fold": 1, "space": {"trees": Range(2, 6)}}
    ways = [{}, {"prepare": prepared}, {"covariates_at": Service(frame)}, {"covariates_at": Service(frame, error=9.0)}]
    studies = [tune(model, damaged(frame), storage=tmp_path, **facts, **way).study for way in ways]
    assert len({study["best"]["value"] for study in studies}) == len(ways)
    assert len(list(tmp_path.glob("*.journal"))) == len(ways)
    assert "prepared_sha256" not in studies[0]
    assert studies[2]["covariates_at_sha256"] != studies[3]["covariates_at_sha256"]
