"""The built-in checks: they pass on real data and fail on data broken in view."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecasting.errors import DataContractError, SettingsError
from forecasting.quality import CheckSettings, run_checks

HALF_HOUR = pd.Timedelta(minutes=30)
QUICK = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


def failed(results) -> set[str]:
    return {each.name for each in results.values() if each.status not in ("passed", "skipped")}


def test_victoria_passes_every_check(check, victoria):
    results = check(victoria)
    assert len(results) > 15
    assert {each.status for each in results.values()} == {"passed"}


def test_england_and_wales_passes_every_check_and_skips_those_of_temperature(check, england_wales):
    results = check(england_wales, timezone="Europe/London")
    assert failed(results) == set()
    skipped = {name for _, name in results if results["builtin", name].status == "skipped"}
    assert skipped == {"temperature_plausible", "temperature_missing_share", "temperature_frozen"}


@QUICK
@given(start=st.integers(100, 16_000), weeks=st.integers(4, 12))
def test_no_part_of_a_good_year_stops_a_publication(check, victoria, start, weeks):
    results = check(victoria.iloc[start : start + weeks * 336])
    assert {each.name for each in results.values() if each.severity == "fatal" and each.status == "failed"} == set()


def test_a_repeated_timestamp_is_named(check, victoria):
    broken = pd.concat([victoria.iloc[:101], victoria.iloc[100:]])
    result = check(broken)["builtin", "timestamps_unique"]
    assert (result.status, result.severity, result.value) == ("failed", "fatal", 1)
    assert "2014-01-03 03:00+1100" in result.message


def test_rows_out_of_order_are_counted(check, victoria):
    broken = pd.concat([victoria.iloc[500:1_000], victoria.iloc[:500]])
    result = check(broken)["builtin", "timestamps_ordered"]
    assert (result.status, result.value) == ("failed", 1)


def test_a_row_off_the_grid_is_named(check, victoria):
    index = victoria.index.to_series()
    index.iloc[7] += pd.Timedelta(minutes=4)
    result = check(victoria.set_axis(pd.DatetimeIndex(index)))["builtin", "timestamps_on_grid"]
    assert (result.status, result.value) == ("failed", 1)
    assert "17:34" in result.message


@QUICK
@given(share=st.floats(0.06, 0.9), seed=st.integers(0, 2**32 - 1), as_rows=st.booleans())
def test_missing_loads_count_whether_they_are_empty_or_absent(check, victoria, share, seed, as_rows):
    inner = np.arange(1, len(victoria) - 1)
    gone = np.random.default_rng(seed).choice(inner, size=int(share * len(victoria)), replace=False)
    broken = victoria.drop(victoria.index[gone]) if as_rows else victoria.copy()
    if not as_rows:
        broken.iloc[gone, 0] = np.nan
    result = check(broken)["builtin", "missing_share"]
    assert (result.status, result.severity) == ("failed", "fatal")
    assert result.value == pytest.approx(len(gone) / len(victoria), abs=1e-6)


def test_a_long_gap_is_measured_in_hours(check, victoria):
    victoria.iloc[1_000:1_014, 0] = np.nan
    result = check(victoria)["builtin", "longest_gap"]
    assert (result.status, result.severity, result.value, result.threshold) == ("failed", "warning", 7.0, 6.0)


def test_old_data_is_not_fresh_however_many_empty_rows_follow(check, victoria):
    victoria.iloc[-80:, 0] = np.nan
    result = check(victoria)["builtin", "freshness"]
    assert (result.status, result.severity, result.value) == ("failed", "fatal", 41.0)


def test_a_load_from_the_future_is_refused(check, victoria):
    result = check(victoria, as_of=victoria.index[-1])["builtin", "nothing_after_as_of"]
    assert (result.status, result.value) == ("failed", 1)


@pytest.mark.parametrize("value", ["n/a", np.inf])
def test_a_load_that_is_no_number_is_named(check, victoria, value):
    victoria["load"] = victoria["load"].astype(object)
    victoria.iloc[3, 0] = value
    result = check(victoria)["builtin", "load_is_number"]
    assert (result.status, result.value) == ("failed", 1)
    assert repr(value) in result.message


@QUICK
@given(row=st.integers(0, 17_519), load=st.floats(-1e6, 0))
def test_a_negative_or_zero_load_fails_unless_the_series_allows_export(check, victoria, row, load):
    victoria = victoria.copy()
    victoria.iloc[row, 0] = load
    assert check(victoria)["builtin", "load_positive"].status == "failed"
    exporting = check(victoria, settings=CheckSettings(allows_export=True))
    assert exporting["builtin", "load_positive"].status == "skipped"


@QUICK
@given(row=st.integers(0, 17_519), factor=st.sampled_from([10, 100, 1_000]))
def test_a_single_load_in_the_wrong_unit_is_out_of_range(check, victoria, row, factor):
    victoria = victoria.copy()
    victoria.iloc[row, 0] *= factor
    assert "load_in_range" in failed(check(victoria))


def test_a_reference_of_one_value_for_the_most_part_gives_no_range(check, victoria):
    """A site that draws 5000 MW day and night, and now and then something else."""
    reference, window = victoria.iloc[:8_000].assign(load=5_000.0), victoria.iloc[8_000:]
    result = check(window, reference=reference)["builtin", "load_in_range"]
    assert result.status == "skipped"
    assert "5000 MW throughout" in result.message


def test_the_range_is_the_references_where_there_is_one(check, victoria):
    reference, window = victoria.iloc[:8_000], victoria.iloc[8_000:].assign(load=lambda frame: frame["load"] * 10)
    assert "load_in_range" not in failed(check(window))
    assert "load_in_range" in failed(check(window, reference=reference))


@QUICK
@given(days=st.integers(1, 100), factor=st.sampled_from([1_000, 0.001, 10, 0.1]))
def test_a_change_of_unit_is_found_from_its_first_whole_day(check, victoria, days, factor):
    victoria = victoria.copy()
    victoria.iloc[-48 * days - 28 :, 0] *= factor
    result = check(victoria)["builtin", "level_step"]
    assert (result.status, result.severity) == ("failed", "fatal")


def test_a_window_wholly_in_another_unit_is_found_against_the_reference(check, victoria):
    window = victoria.iloc[-1_344:].assign(load=lambda frame: frame["load"] * 1_000)
    result = check(window, reference=victoria.iloc[:-1_344])["builtin", "level_step"]
    assert result.status == "failed"
    assert result.value == pytest.approx(1_000, rel=0.5)


@QUICK
@given(start=st.integers(0, 17_000), hours=st.integers(4, 40))
def test_a_frozen_meter_is_a_warning_for_hours_and_fatal_for_a_day(check, victoria, start, hours):
    victoria = victoria.copy()
    steps = 2 * hours
    victoria.iloc[start : start + steps, 0] = victoria.iloc[start, 0]
    results = check(victoria)
    assert results["builtin", "flatline"].status == "failed"
    assert results["builtin", "flatline"].value == hours
    assert (results["builtin", "frozen_meter"].status == "failed") == (hours > 24)


@QUICK
@given(row=st.integers(10, 17_500), factor=st.sampled_from([0.3, 1.9]))
def test_a_spike_is_found_and_located(check, victoria, row, factor):
    victoria = victoria.copy()
    victoria.iloc[row, 0] *= factor
    result = check(victoria)["builtin", "spikes"]
    assert result.status == "failed"
    assert victoria.index[row].tz_convert("Australia/Melbourne").strftime("%Y-%m-%d %H:%M%z") in result.message


def test_a_clock_without_daylight_saving_is_noticed(check, victoria):
    assert check(victoria)["builtin", "clock_shift"].status == "passed"
    result = check(victoria, timezone="Australia/Brisbane")["builtin", "clock_shift"]
    assert (result.status, result.severity) == ("failed", "warning")
    assert "moved by +1 h" in result.message


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_window_moved_against_its_reference_is_noticed(check, england_wales, hours):
    reference, window = england_wales.iloc[:2_016], england_wales.iloc[2_016:]
    moved = window.set_axis(window.index + pd.Timedelta(hours=hours))
    arguments = {"reference": reference, "timezone": "Europe/London"}
    assert check(window, **arguments)["builtin", "clock_shift"].status == "passed"
    result = check(moved, **arguments)["builtin", "clock_shift"]
    assert result.status == "failed"
    assert f"moved by {hours:+d} h" in result.message


def test_too_few_weeks_to_compare_clocks_are_skipped_with_the_reason(check, victoria):
    result = check(victoria.iloc[:1_000])["builtin", "clock_shift"]
    assert result.status == "skipped"
    assert "4 are needed" in result.message


def test_the_repeated_hour_of_autumn_is_missed_when_a_source_lost_it(check, victoria):
    lost = pd.Timestamp("2014-04-05T16:00Z")  # 02:00 to 03:00 for the second time
    broken = victoria.drop([lost, lost + HALF_HOUR])
    result = check(broken)["builtin", "daylight_saving_days"]
    assert (result.status, result.value) == ("failed", 1)
    elsewhere = victoria.drop([lost + pd.Timedelta(days=3), lost + pd.Timedelta(days=3) + HALF_HOUR])
    assert check(elsewhere)["builtin", "daylight_saving_days"].status == "passed"


@pytest.mark.parametrize(
    ("convert", "hint"), [(lambda c: c * 9 / 5 + 32 + 30, "Fahrenheit"), (lambda c: c + 273.15, "Kelvin")]
)
def test_temperatures_in_another_unit_are_implausible(check, victoria, convert, hint):
    result = check(victoria.assign(temperature=convert(victoria["temperature"])))["builtin", "temperature_plausible"]
    assert result.status == "failed"
    assert hint in result.message


def test_missing_and_frozen_temperatures_are_warned_of(check, victoria):
    victoria.iloc[:5_000, 1] = np.nan
    victoria.iloc[6_000:6_100, 1] = 12.5
    assert failed(check(victoria)) == {"temperature_missing_share", "temperature_frozen"}


@pytest.mark.parametrize("history", [lambda frame: frame.iloc[:0], lambda frame: frame.assign(load=np.nan)])
def test_a_window_without_any_load_gets_one_fatal_result(check, victoria, history):
    results = check(history(victoria), as_of=pd.Timestamp("2015-01-01T00:00Z"))
    assert [(each.name, each.status, each.severity) for each in results.values()] == [
        ("has_observations", "failed", "fatal")
    ]


@QUICK
@given(data=st.data())
def test_any_heap_of_rows_is_judged_without_a_crash(check, data):
    minutes = data.draw(st.lists(st.integers(0, 60 * 24 * 60), min_size=1, max_size=60))
    loads = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.floats(1, 1e5))
    values = data.draw(st.lists(loads, min_size=len(minutes), max_size=len(minutes)))
    index = pd.Timestamp("2014-03-01T00:00Z") + pd.to_timedelta(minutes, unit="min")
    results = check(pd.DataFrame({"load": values}, index=pd.DatetimeIndex(index)))
    assert "error" not in {each.status for each in results.values()}


@pytest.mark.parametrize(
    "break_it",
    [
        lambda frame: frame.reset_index(drop=True),
        lambda frame: frame.tz_localize(None),
        lambda frame: frame.tz_convert("Europe/London"),
        lambda frame: frame.drop(columns="load"),
        lambda frame: pd.concat([frame, frame], axis=1),
    ],
)
def test_what_is_no_history_at_all_is_refused_at_the_door(victoria, break_it):
    with pytest.raises(DataContractError, match=r"^[^;]*; rule: [^;]*$"):
        run_checks(
            break_it(victoria),
            timezone="Australia/Melbourne",
            resolution="30min",
            as_of=pd.Timestamp("2015-01-01T00:00Z"),
            engines=("builtin",),
        )


def test_an_unknown_engine_is_refused(check, victoria):
    with pytest.raises(SettingsError, match="great_expectations"):
        check(victoria, engines=("builtin", "great_expectations"))


def test_an_as_of_without_timezone_is_refused(check, victoria):
    with pytest.raises(SettingsError, match="no timezone"):
        check(victoria, as_of=pd.Timestamp("2015-01-01"))


@pytest.mark.parametrize("resolution", ["soon", "0min", 30])
def test_a_resolution_that_is_no_duration_is_refused(check, victoria, resolution):
    with pytest.raises(SettingsError, match="resolution"):
        check(victoria, resolution=resolution)


def test_a_reference_without_loads_is_no_reference(check, victoria):
    reference, window = victoria.iloc[:8_000].assign(load=np.nan), victoria.iloc[8_000:]
    assert check(window, reference=reference) == check(window)


def test_a_frozen_temperature_is_located_where_it_starts(check, victoria):
    victoria.iloc[6_000:6_100, 1] = 12.5
    start = victoria.index[6_000].tz_convert("Australia/Melbourne").strftime("%Y-%m-%d %H:%M%z")
    assert f"(12.5 °C from {start} on)" in check(victoria)["builtin", "temperature_frozen"].message


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_missing_share", 1.5), ("max_age_hours", 0), ("max_level_ratio", 1.0), ("min_temperature_c", 70.0)],
)
def test_a_threshold_out_of_its_range_is_refused_by_name(name, value):
    with pytest.raises(SettingsError, match=name):
        CheckSettings(**{name: value})
