"""The daily peak: its size and its time, day by local day."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.calendar import hours_in_local_day
from forecasting.peaks import PEAK_METRICS, peak_errors, peak_score

HOUR = pd.Timedelta(hours=1)


def forecasts_of(
    origin: str, *, hours: int, timezone: str = "Europe/London", minutes: int = 60, level: float = 1000.0
) -> pd.DataFrame:
    """Rows from one local time on; the load is flat, and the median 10 MW below it."""
    start = pd.Timestamp(origin, tz=timezone).tz_convert("UTC")
    valid = pd.date_range(start, periods=hours * 60 // minutes, freq=f"{minutes}min")
    return pd.DataFrame({"origin": start, "valid_time": valid, "load": level, 0.5: level - 10})


def at(rows: pd.DataFrame, moment: str, timezone: str = "Europe/London") -> pd.Series:
    return rows["valid_time"] == pd.Timestamp(moment, tz=timezone)


def test_the_peak_of_a_day_has_an_error_of_size_and_one_of_time() -> None:
    rows = forecasts_of("2024-06-03", hours=48)
    rows.loc[at(rows, "2024-06-03T18:00"), "load"] = 1500.0
    rows.loc[at(rows, "2024-06-03T15:00"), 0.5] = 1400.0
    rows.loc[at(rows, "2024-06-04T08:00"), "load"] = 1200.0
    rows.loc[at(rows, "2024-06-04T09:00"), 0.5] = 1260.0
    found = peak_errors(rows, resolution=HOUR, timezone="Europe/London")
    assert found["peak_error"].tolist() == [-100.0, 60.0]
    assert found["peak_time_error_hours"].tolist() == [-3.0, 1.0]
    assert peak_score(found) == {
        "peak_days": 2, "peak_mae": 80.0, "peak_bias": -20.0, "peak_time_mae_hours": 2.0,
    }  # fmt: skip


def test_only_days_that_are_forecast_whole_count_and_each_once_per_origin() -> None:
    rows = pd.concat([forecasts_of("2024-06-03T06:00", hours=48), forecasts_of("2024-06-04", hours=48)])
    found = peak_errors(rows, resolution=HOUR, timezone="Europe/London")
    days = [str(np.datetime64(number, "D")) for number in found["day_number"]]
    assert days == ["2024-06-04", "2024-06-04", "2024-06-05"]
    assert found["origin"].nunique() == 2


def test_a_day_with_a_load_missing_has_no_peak_that_anyone_knows() -> None:
    rows = forecasts_of("2024-06-03", hours=48)
    rows.loc[at(rows, "2024-06-03T03:00"), "load"] = np.nan
    assert len(peak_errors(rows, resolution=HOUR, timezone="Europe/London")) == 1
    nothing = peak_errors(rows.assign(load=np.nan), resolution=HOUR, timezone="Europe/London")
    assert peak_score(nothing) == dict.fromkeys(PEAK_METRICS) | {"peak_days": 0}


@pytest.mark.parametrize(("day", "hours"), [("2024-03-31", 23), ("2024-10-27", 25), ("2024-06-03", 24)])
@pytest.mark.parametrize("minutes", [60, 30])
def test_the_day_of_a_clock_change_is_whole_with_the_hours_that_it_has(day: str, hours: int, minutes: int) -> None:
    resolution = pd.Timedelta(minutes=minutes)
    whole = forecasts_of(day, hours=hours, minutes=minutes)
    assert len(peak_errors(whole, resolution=resolution, timezone="Europe/London")) == 1
    assert len(peak_errors(whole.iloc[:-1], resolution=resolution, timezone="Europe/London")) == 0
    assert len(peak_errors(whole.iloc[1:], resolution=resolution, timezone="Europe/London")) == 0


def test_the_time_error_across_a_clock_change_is_of_elapsed_hours() -> None:
    rows = forecasts_of("2024-03-31", hours=23)
    rows.loc[at(rows, "2024-03-31T00:00"), "load"] = 1500.0
    rows.loc[at(rows, "2024-03-31T04:00"), 0.5] = 1500.0
    (error,) = peak_errors(rows, resolution=HOUR, timezone="Europe/London")["peak_time_error_hours"]
    assert error == 3.0


@settings(max_examples=40, deadline=None)
@given(
    start=st.integers(0, 365 * 24),
    hours=st.integers(1, 120),
    timezone=st.sampled_from(["Europe/London", "Australia/Lord_Howe", "Asia/Kolkata", "America/Santiago"]),
    seed=st.integers(0, 9),
)
def test_each_whole_day_is_found_by_counting_its_hours(start: int, hours: int, timezone: str, seed: int) -> None:
    """By another route: day by day, with half-hours, the length from the wall clock, and plain maxima."""
    generator = np.random.default_rng(seed)
    origin = pd.Timestamp("2024-01-01", tz="UTC") + start * HOUR
    valid = pd.date_range(origin, periods=2 * hours, freq="30min")
    rows = pd.DataFrame({"origin": origin, "valid_time": valid, "load": generator.integers(0, 50, 2 * hours) * 1.0})
    rows[0.5] = generator.integers(0, 50, 2 * hours) * 1.0
    expected = []
    for date, part in rows.groupby(valid.tz_convert(timezone).date):
        if len(part) == 2 * hours_in_local_day(date, timezone=timezone):
            truth, forecast = (part.set_index("valid_time")[column].astype(float) for column in ("load", 0.5))
            shift = (forecast.idxmax() - truth.idxmax()) / HOUR
            expected.append((forecast.max() - truth.max(), shift))
    found = peak_errors(rows, resolution=pd.Timedelta(minutes=30), timezone=timezone)
    assert list(zip(found["peak_error"], found["peak_time_error_hours"], strict=True)) == expected
    measures = peak_score(found)
    assert tuple(measures) == PEAK_METRICS
    assert measures["peak_days"] == len(expected)
    if not expected:
        assert measures == dict.fromkeys(PEAK_METRICS) | {"peak_days": 0}
    else:
        assert measures["peak_mae"] == pytest.approx(math.fsum(abs(size) for size, _ in expected) / len(expected))


def test_a_half_hour_zone_on_an_hourly_grid_has_whole_days_too() -> None:
    start = pd.Timestamp("2024-06-02T18:00Z")
    valid = pd.date_range(start, periods=48, freq="1h")
    rows = pd.DataFrame({"origin": start, "valid_time": valid, "load": 1.0, 0.5: 1.0})
    assert len(peak_errors(rows, resolution=HOUR, timezone="Asia/Kolkata")) == 1


def test_another_column_can_be_the_forecast() -> None:
    rows = forecasts_of("2024-06-03", hours=24).assign(baseline=1500.0)
    (error,) = peak_errors(rows, resolution=HOUR, timezone="Europe/London", point="baseline")["peak_error"]
    assert error == 500.0
