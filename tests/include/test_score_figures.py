"""The figures of a score, each made again from the raw numbers with plain Python, on days of 23, 24 and 25 hours."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from include.scoring.external import compared
from include.scoring.figures import Judged, attributed, beside_figures, figures
from include.scoring.stability import moved

BERLIN = ZoneInfo("Europe/Berlin")
STEP = timedelta(minutes=30)
Row = dict[str, Any]


def numbers(day: date, *, days: int = 2, seed: int = 3) -> list[Row]:
    """Half-hours of whole local days: load, quantiles, naive, somebody else's forecast, the model told the weather."""
    start, end = (
        datetime.combine(day + timedelta(days=more), datetime.min.time(), BERLIN).astimezone(UTC) for more in (0, days)
    )
    draw = np.random.default_rng(seed)
    rows = []
    while start < end:
        load = 500 + 90 * math.sin(start.hour / 24 * 2 * math.pi) + float(draw.normal(0, 10))
        median = load + float(draw.normal(4, 20))
        rows.append(
            {
                "time": start,
                "load": load,
                0.1: median - 25,
                0.5: median,
                0.9: median + 25,
                "naive": load + float(draw.normal(0, 40)),
                "theirs": load + float(draw.normal(-6, 15)),
                "told": load + float(draw.normal(2, 12)),
            }
        )
        start += STEP
    return rows


def judged(rows: list[Row], **changes: Any) -> Judged:
    frame = pd.DataFrame(rows).set_index("time")
    frame.index = pd.DatetimeIndex(frame.index).as_unit("ns")
    naive = pd.DataFrame(dict.fromkeys((0.1, 0.5, 0.9), frame["naive"]))
    facts = {
        "values": frame[[0.1, 0.5, 0.9]],
        "load": frame["load"],
        "issue_time": frame.index[0],
        "timezone": "Europe/Berlin",
        "resolution": pd.Timedelta(STEP),
        "naive": naive,
        "beside": pd.DataFrame({"load": frame["load"], "ours": frame[0.5], "theirs": frame["theirs"]}),
        "with_observed_weather": frame["told"],
        **changes,
    }
    return Judged(**facts)


def mean(values: Any) -> float:
    values = list(values)
    return sum(values) / len(values)


def mae(rows: list[Row], name: Any) -> float:
    return mean(abs(row[name] - row["load"]) for row in rows)


def peak(rows: list[Row], name: Any) -> Row:
    return max(rows, key=lambda row: row[name])


@pytest.mark.parametrize(
    ("day", "intervals"),
    [(date(2024, 3, 31), 46), (date(2024, 10, 27), 50), (date(2024, 7, 1), 48)],
    ids=["23 hours", "25 hours", "24 hours"],
)
def test_a_score_is_what_the_raw_numbers_give(day: date, intervals: int) -> None:
    rows = numbers(day)
    first, second = rows[:intervals], rows[intervals:]
    score = figures(judged(rows))
    assert (score["n"], score["expected"], len(second)) == (len(rows), len(rows), 48)
    assert score["mae"] == pytest.approx(mae(rows, 0.5))
    assert score["rmse"] == pytest.approx(math.sqrt(mean((row[0.5] - row["load"]) ** 2 for row in rows)))
    assert score["mape"] == pytest.approx(100 * mean(abs(row[0.5] - row["load"]) / row["load"] for row in rows))
    assert score["bias"] == pytest.approx(mean(row[0.5] - row["load"] for row in rows))
    assert score["coverage_80"] == pytest.approx(mean(row[0.1] <= row["load"] <= row[0.9] for row in rows))
    losses = [
        q * (row["load"] - row[q]) if row["load"] >= row[q] else (q - 1) * (row["load"] - row[q])
        for row in rows
        for q in (0.1, 0.5, 0.9)
    ]
    assert score["pinball"] == pytest.approx(mean(losses))
    assert score["baseline"]["mae"] == pytest.approx(mae(rows, "naive"))
    assert score["skill"] == pytest.approx(1 - mae(rows, 0.5) / mae(rows, "naive"))

    errors = [peak(part, 0.5)[0.5] - peak(part, "load")["load"] for part in (first, second)]
    hours = [(peak(part, 0.5)["time"] - peak(part, "load")["time"]).total_seconds() / 3600 for part in (first, second)]
    assert score["peak_mae"] == pytest.approx(mean(map(abs, errors)))
    assert score["peak_bias"] == pytest.approx(mean(errors))
    assert score["peak_time_mae_hours"] == pytest.approx(mean(map(abs, hours)))

    for part, row, error, late in zip((first, second), score["by_day"], errors, hours, strict=True):
        assert row == {
            "date": str(part[0]["time"].astimezone(BERLIN).date()),
            "n": len(part),
            "expected": len(part),
            "mae": pytest.approx(mae(part, 0.5)),
            "bias": pytest.approx(mean(each[0.5] - each["load"] for each in part)),
            "coverage_80": pytest.approx(mean(each[0.1] <= each["load"] <= each[0.9] for each in part)),
            "naive_mae": pytest.approx(mae(part, "naive")),
            "external_n": len(part),
            "external_mae": pytest.approx(mae(part, "theirs")),
            "mae_beside_external": pytest.approx(mae(part, 0.5)),
            "peak_error": pytest.approx(error),
            "peak_time_error_hours": pytest.approx(late),
            "model_mae": pytest.approx(mae(part, "told")),
            "weather_mae": pytest.approx(mae(part, 0.5) - mae(part, "told")),
        }


def test_blocks_of_lead_time_are_six_hours_of_elapsed_time() -> None:
    rows = numbers(date(2024, 3, 31))
    blocks = figures(judged(rows))["by_lead_time"]
    assert [block["n"] for block in blocks] == [12] * 7 + [10]
    third = rows[24:36]
    assert blocks[2]["mae"] == pytest.approx(mae(third, 0.5))
    assert blocks[2]["naive_mae"] == pytest.approx(mae(third, "naive"))
    assert (blocks[2]["external_n"], blocks[2]["external_mae"]) == (12, pytest.approx(mae(third, "theirs")))


def test_a_day_without_all_of_its_loads_has_an_error_and_no_peak() -> None:
    rows = numbers(date(2024, 10, 27))
    rows[20]["load"] = math.nan
    score = figures(judged(rows, beside=Judged.__dataclass_fields__["beside"].default_factory()))
    first, second = score["by_day"]
    assert (score["n"], score["expected"], first["n"], first["expected"]) == (97, 98, 49, 50)
    assert first["peak_error"] is None
    assert score["peak_mae"] == pytest.approx(abs(second["peak_error"]))
    assert first["mae"] == pytest.approx(mae([row for row in rows[:50] if row["load"] == row["load"]], 0.5))
    assert (first["external_n"], first["external_mae"]) == (0, None)


def test_without_a_naive_or_a_day_forecast_whole_those_figures_are_undefined() -> None:
    score = figures(judged(numbers(date(2024, 7, 1))[:20], naive=None))
    assert (score["baseline"], score["skill"], score["peak_mae"], score["peak_time_mae_hours"]) == (
        {},
        None,
        None,
        None,
    )


def test_there_is_no_skill_against_a_naive_of_fewer_intervals() -> None:
    part = judged(numbers(date(2024, 7, 1)))
    assert part.naive is not None
    part.naive.iloc[:3] = math.nan
    score = figures(part)
    assert (score["n"], score["baseline"]["n"], score["skill"]) == (96, 93, None)


def test_the_error_is_split_into_weather_and_model() -> None:
    rows = numbers(date(2024, 7, 1))
    part = judged(rows)
    assert attributed(part, part.with_observed_weather) == {
        "n": 96,
        "mae": pytest.approx(mae(rows, 0.5)),
        "model_mae": pytest.approx(mae(rows, "told")),
        "weather_mae": pytest.approx(mae(rows, 0.5) - mae(rows, "told")),
    }


def test_somebody_elses_forecast_is_scored_on_the_same_intervals_as_ours() -> None:
    rows = numbers(date(2024, 7, 1))
    found = beside_figures(judged(rows).beside)
    assert (found["n"], found["mae"]) == (96, pytest.approx(mae(rows, "theirs")))
    assert found["bias"] == pytest.approx(mean(row["theirs"] - row["load"] for row in rows))
    assert found["skill"] == pytest.approx(1 - mae(rows, 0.5) / mae(rows, "theirs"))


def test_an_hourly_forecast_is_compared_with_the_means_of_whole_hours_of_ours() -> None:
    rows = numbers(date(2024, 7, 1), days=1)
    hourly = {rows[i]["time"]: (rows[i]["theirs"] + rows[i + 1]["theirs"]) / 2 for i in range(0, 48, 2)}
    rows[5]["load"] = math.nan
    hours = [i for i in range(0, 48, 2) if i != 4]
    beside = compared(judged(rows), pd.Series(hourly), resolution=pd.Timedelta(hours=1))
    assert len(beside) == 23
    expected = [hourly[rows[i]["time"]] - (rows[i]["load"] + rows[i + 1]["load"]) / 2 for i in hours]
    assert (beside["theirs"] - beside["load"]).tolist() == pytest.approx(expected)
    assert beside["ours"].tolist() == pytest.approx([(rows[i][0.5] + rows[i + 1][0.5]) / 2 for i in hours])


def test_a_finer_forecast_is_averaged_to_our_intervals() -> None:
    rows = numbers(date(2024, 7, 1), days=1)
    quarter = timedelta(minutes=15)
    theirs = {row["time"] + part * quarter: row["theirs"] + part for row in rows for part in (0, 1)}
    del theirs[rows[7]["time"] + quarter]
    beside = compared(judged(rows), pd.Series(theirs), resolution=pd.Timedelta(quarter))
    assert beside["theirs"].tolist() == pytest.approx([row["theirs"] + 0.5 for row in rows if row is not rows[7]])


def test_a_forecast_moved_by_what_changed_on_the_intervals_of_both() -> None:
    times = pd.date_range("2024-07-01", periods=5, freq="30min", tz="UTC")
    now, before = pd.Series([10.0, 20.0, 30.0], times[2:]), pd.Series([1.0, 2.0, 12.0, 16.0], times[:4])
    assert moved(now, before) == {
        "n": 2,
        "mean_absolute_change": pytest.approx((2 + 4) / 2),
        "mean_change": pytest.approx((-2 + 4) / 2),
        "relative": pytest.approx(3 / 14),
    }
