"""The pictures of a backtest show what the report holds, and leave matplotlib as it was."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecasting import backtest, daily_origins
from forecasting.figures import FIGURES, calibration, error_by_hour, error_by_lead_time, residuals, sample_week

ROOT = Path(__file__).parents[2]
PNG = b"\x89PNG\r\n\x1a\n"


def report_of(model, frame, *, champion=None, **options):
    origins = daily_origins(frame, timezone="Europe/London", horizon="48h", **{"count": 9, **options})
    return backtest(model, frame, origins=origins, champion=champion)


@pytest.fixture(scope="module")
def report(new_model, demand):
    frame = demand(start="2024-03-01", days=38)
    frame.iloc[-100:-90, 0] = np.nan
    model = new_model("arima", quantiles=(0.1, 0.25, 0.5, 0.75, 0.9))
    return report_of(model, frame, champion=new_model("seasonal_naive"))


def lines(figure):
    """Its lines by their names in the legend."""
    (axes,) = figure.axes
    return {line.get_label(): np.column_stack(line.get_data()) for line in axes.get_lines()}


def test_every_figure_is_written_as_a_picture_into_a_new_or_an_old_directory(report, tmp_path):
    directory = tmp_path / "made" / "here"
    for _ in range(2):
        files = report.write_figures(str(directory))
        assert [file.name for file in files] == [f"{name}.png" for name in FIGURES]
        assert sorted(directory.iterdir()) == sorted(files)
        for file in files:
            assert file.read_bytes().startswith(PNG)


def test_the_same_report_gives_the_same_bytes(report, tmp_path):
    first, second = (report.write_figures(tmp_path / name) for name in ("a", "b"))
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]


def test_errors_by_lead_time_stand_beside_those_of_the_naive_and_the_champion(report):
    found = lines(error_by_lead_time(report))
    assert list(found) == ["seasonal naive", "arima", "champion, seasonal_naive"]
    rows = report.predictions
    first_hour = rows[rows["lead_time_hours"] < 1]
    assert found["champion, seasonal_naive"][0].tolist() == [
        0.0, pytest.approx((first_hour["champion"] - first_hour["load"]).abs().mean()),
    ]  # fmt: skip
    assert found["champion, seasonal_naive"][:, 0].tolist() == list(range(48))


def test_errors_by_hour_are_by_the_local_clock(report):
    found = lines(error_by_hour(report))["arima"]
    expected = {block["hour"]: block["mae"] for block in report.by_hour}
    assert dict(found.tolist()) == pytest.approx(expected)


def test_calibration_shows_the_share_at_or_below_each_level(report):
    rows = report.predictions.dropna(subset="load")
    found = lines(calibration(report))["arima"]
    assert found.tolist() == [
        [level, pytest.approx((rows["load"] <= rows[level]).mean())] for level in (0.1, 0.25, 0.5, 0.75, 0.9)
    ]


def test_the_sample_week_shows_seven_days_as_forecast_last(report):
    figure = sample_week(report)
    found = lines(figure)
    assert list(found) == ["arima, median", "seasonal naive", "load"]
    assert {len(points) for points in found.values()} == {7 * 24}
    assert np.isnan(found["load"][:, 1]).sum() == 10
    rows = report.predictions
    last = rows[rows["origin"] == rows["origin"].max()]
    assert found["arima, median"][-48:, 1].tolist() == last[0.5].tolist()
    earlier = rows[(rows["lead_time_hours"] < 24) & ~rows["origin"].isin([rows["origin"].max()])]
    assert found["arima, median"][:-48, 1].tolist() == earlier[0.5].tolist()[-5 * 24 :]
    (axes,) = figure.axes
    assert [band.get_label() for band in axes.collections] == ["80 % interval", "50 % interval"]


def test_residuals_are_drawn_at_their_time_with_their_daily_mean(report):
    found = lines(residuals(report))
    rows = report.predictions
    error = rows[0.5] - rows["load"]
    np.testing.assert_array_equal(found["each value"][:, 1], error)
    local = pd.DatetimeIndex(rows["valid_time"]).tz_convert("Europe/London")
    assert found["mean of the local day"][:, 1].tolist() == pytest.approx(error.groupby(local.date).mean().tolist())


@pytest.mark.parametrize("options", [{"count": 1}, {"count": 3, "every_days": 5}])
def test_days_that_no_origin_forecasts_are_gaps(options, new_model, demand, tmp_path):
    report = report_of(new_model("seasonal_naive", quantiles=(0.5,)), demand(days=40), **options)
    median = lines(sample_week(report))["seasonal_naive, median"]
    assert np.diff(median[:, 0]) == pytest.approx(1 / 24)
    assert np.isfinite(median[:, 1]).sum() == {1: 48, 3: 96}[options["count"]]
    assert len(report.write_figures(tmp_path)) == len(FIGURES)


def test_a_report_without_loads_to_compare_with_is_drawn_all_the_same(new_model, demand, tmp_path):
    frame = demand(days=30)
    origins = daily_origins(frame, timezone="Europe/London", horizon="48h", count=2)
    frame.loc[frame.index >= origins[0], "load"] = np.nan
    assert backtest(new_model("seasonal_naive"), frame, origins=origins).write_figures(tmp_path)


def test_a_directory_that_is_a_file_is_refused_by_the_system(report, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(FileExistsError, match="taken"):
        report.write_figures(tmp_path / "taken")


def test_drawing_needs_no_pyplot_and_a_backtest_no_matplotlib():
    code = (
        "import sys, forecasting.backtesting, forecasting.figures\n"
        "assert 'matplotlib' not in sys.modules\n"
        "forecasting.figures._figure('t', x='x', y='y')\n"
        "assert 'matplotlib.figure' in sys.modules and 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=240)
