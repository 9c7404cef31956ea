import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting import DataContractError
from forecasting.contracts import validate_history, validate_window

DAY = pd.Timedelta(days=1)


def history(rows: int = 400, freq: str = "1h") -> pd.DataFrame:
    return pd.DataFrame(
        {"load": np.linspace(500.0, 900.0, rows)}, index=pd.date_range("2024-01-01", periods=rows, freq=freq, tz="UTC")
    )


def test_a_valid_history_comes_back_as_floats_on_a_utc_grid() -> None:
    given_frame = history().assign(holiday=False, load=range(400))
    checked = validate_history(given_frame)
    assert checked.dtypes.tolist() == [np.dtype("float64")] * 2
    assert checked.index.freq == pd.offsets.Hour()
    assert given_frame["load"].dtype == np.dtype("int64")


@settings(max_examples=25, deadline=None)
@given(row=st.integers(1, 398))
def test_a_missing_row_is_named_with_its_time_and_the_rule(row: int) -> None:
    whole = history()
    with pytest.raises(DataContractError) as refused:
        validate_history(whole.drop(whole.index[row]))
    assert refused.value.row == row
    assert str(whole.index[row + 1]) in str(refused.value)
    assert "NaN" in refused.value.rule


@settings(max_examples=25, deadline=None)
@given(row=st.integers(0, 399), value=st.sampled_from([np.inf, -np.inf]))
def test_an_infinite_load_is_named_with_its_row_and_value(row: int, value: float) -> None:
    broken = history()
    broken.iloc[row, 0] = value
    with pytest.raises(DataContractError) as refused:
        validate_history(broken)
    assert (refused.value.row, refused.value.value) == (row, value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda frame: frame.tz_localize(None), "no timezone"),
        (lambda frame: frame.tz_convert("Europe/Paris"), "tz_convert"),
        (lambda frame: frame.reset_index(drop=True), "DatetimeIndex"),
        (lambda frame: frame.rename(columns={"load": "demand"}), "no column 'load'"),
        (lambda frame: frame.iloc[[0, 1, 1, *range(2, 400)]], "repeats"),
        (lambda frame: frame.iloc[[1, 0, *range(2, 400)]], "earlier"),
        (lambda frame: frame.assign(load=np.nan), "every value is missing"),
        (lambda frame: frame.astype({"load": object}).replace({500.0: "n/a"}), "'n/a' is not a number"),
        (lambda frame: frame.iloc[:100], "at least 7 days"),
        (lambda frame: frame.set_axis(pd.date_range("2024", periods=400, freq="7min", tz="UTC")), "divides the hour"),
        (lambda frame: frame.set_axis(pd.date_range("2024", periods=400, freq="2h", tz="UTC")), "divides the hour"),
        (lambda frame: pd.concat([frame, frame], axis=1), "twice"),
        (lambda frame: frame["load"], "DataFrame"),
    ],
)
def test_a_broken_history_is_refused_in_words(change: object, words: str) -> None:
    with pytest.raises(DataContractError, match=words):
        validate_history(change(history()))  # type: ignore[operator]


def test_training_is_refused_below_two_weeks_or_with_hardly_any_load() -> None:
    with pytest.raises(DataContractError, match="at least 14 days"):
        validate_history(history(335), minimum=14 * DAY)
    sparse = history()
    sparse.iloc[20:, 0] = np.nan
    with pytest.raises(DataContractError, match="observed loads"):
        validate_history(sparse, minimum=14 * DAY)


def window(past: pd.DataFrame, future: pd.DataFrame, covariates: tuple[str, ...] = ()) -> pd.Timestamp:
    return validate_window(
        past, future, horizon=2 * DAY, covariates=covariates, resolution=pd.Timedelta(hours=1)
    ).origin


def test_lead_times_count_from_the_last_known_load() -> None:
    past = history()
    past.iloc[-5:, 0] = np.nan
    future = pd.DataFrame(index=past.index[-1:] + pd.Timedelta(hours=1))
    assert window(past, future) == past.index[-5]


@pytest.mark.parametrize(
    ("shift", "words"),
    [("0h", "starts after"), ("-30h", "starts after"), ("90min", "grid"), ("15d", "at most 14 days")],
)
def test_a_future_off_the_grid_or_out_of_reach_is_refused(shift: str, words: str) -> None:
    past = history()
    with pytest.raises(DataContractError, match=words):
        window(past, pd.DataFrame(index=past.index[-1:] + pd.Timedelta(shift)))


def test_a_future_of_more_than_twice_the_horizon_is_refused() -> None:
    past = history()
    ahead = pd.date_range(past.index[-1], periods=98, freq="1h")[1:]
    window(past, pd.DataFrame(index=ahead[:96]))
    with pytest.raises(DataContractError, match=r"future spans 97 h, .* at most twice as much"):
        window(past, pd.DataFrame(index=ahead))


@pytest.mark.parametrize("rows_without_load", [True, False])
def test_loads_may_be_late_by_two_weeks_whether_or_not_the_history_has_rows_for_them(rows_without_load: bool) -> None:
    past, issued = history(800), history(800).index[-1] + pd.Timedelta(hours=1)
    future = pd.DataFrame(index=pd.date_range(issued, periods=48, freq="1h"))
    for days_late, allowed in ((13, True), (15, False)):
        late = past.copy()
        late.iloc[-days_late * 24 :, 0] = np.nan
        late = late if rows_without_load else late.dropna()
        if allowed:
            assert window(late, future) == issued - days_late * DAY
        else:
            last = f"15.04 days after the last known load, of {issued - days_late * DAY - pd.Timedelta(hours=1)}"
            with pytest.raises(DataContractError, match=re.escape(last)) as refused:
                window(late, future)
            assert "bring the loads up to date" in refused.value.rule


def test_a_future_without_a_trained_covariate_is_refused_by_name() -> None:
    past = history().assign(temperature=5.0)
    with pytest.raises(DataContractError, match=r"future lacks the covariates \['temperature'\]"):
        window(past, pd.DataFrame(index=past.index[-1:] + pd.Timedelta(hours=1)), ("temperature",))


@pytest.mark.parametrize("year", ["0900", "1700", "2262", "3000"])
def test_a_timestamp_outside_the_centuries_of_electricity_is_named(year: str) -> None:
    index = pd.date_range(f"{year}-01-02", periods=400, freq="1h", tz="UTC", unit="s")
    with pytest.raises(DataContractError, match=f"row 0 of history is {year}-01-02"):
        validate_history(history().set_axis(index))


@pytest.mark.parametrize("freq", ["1s", "1min", "7min", "2h"])
def test_a_step_that_is_no_part_of_the_hour_or_too_fine_is_refused(freq: str) -> None:
    with pytest.raises(DataContractError, match="divides the hour and is 5 minutes at least"):
        validate_history(history(rows=200_000 if freq == "1s" else 20_000, freq=freq))


@pytest.mark.parametrize("dtype", ["object", "string", "category", "complex128"])
def test_numbers_of_a_dtype_that_holds_anything_are_refused_by_their_dtype(dtype: str) -> None:
    with pytest.raises(DataContractError, match=f"column 'load' of history has the dtype {dtype}"):
        validate_history(history().astype({"load": dtype}))


def test_a_value_beyond_any_load_is_named() -> None:
    frame = history()
    frame.iloc[3, 0] = 1e300
    with pytest.raises(DataContractError, match=r"row 3 .*1e\+300 is too large"):
        validate_history(frame)


def test_the_step_that_is_expected_is_one_that_occurs() -> None:
    future = pd.DataFrame(index=pd.DatetimeIndex(["2024-03-01T00:00Z", "2024-03-01T01:00Z", "2024-03-01T03:00Z"]))
    with pytest.raises(DataContractError, match=r"row 2 of future .* every step is 60 min"):
        validate_window(history(), future, horizon=60 * DAY, covariates=(), resolution=pd.Timedelta(hours=1))
