"""The figures of one run on the loads that came: in all, by lead time, and by local day. Pure: frames in, JSON out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

KEPT = ("n", "mae", "rmse", "mape", "pinball", "coverage_80", "bias")
LEAD_TIME_BLOCK_HOURS = 6.0
_PEAK = ["peak_error", "peak_time_error_hours"]


def _nothing_beside() -> pd.DataFrame:
    return pd.DataFrame(columns=["load", "ours", "theirs"], index=pd.DatetimeIndex([], tz="UTC"), dtype="float64")


@dataclass(frozen=True)
class Judged:
    """A run beside what came of it, on one UTC index of regular intervals of `resolution`.

    `values`: MW by quantile; `load`: MW, NaN where none is known; `naive`: MW by quantile of the seasonal naive from
    the same issue time; `with_observed_weather`: the median of the same model had it known the weather; either None
    where there is none. `beside`: `load`, `ours` and `theirs`, MW, on the intervals of somebody else's forecast.
    """

    values: pd.DataFrame
    load: pd.Series
    issue_time: pd.Timestamp
    timezone: str
    resolution: pd.Timedelta
    naive: pd.DataFrame | None = None
    beside: pd.DataFrame = field(default_factory=_nothing_beside)
    with_observed_weather: pd.Series | None = None


def figures(judged: Judged) -> dict[str, Any]:
    """All that a score holds of the run and the naive: `KEPT`, peaks, `skill`, `baseline`, `by_lead_time`, `by_day`."""
    from forecasting.metrics import score, skill
    from forecasting.peaks import peak_score

    kept = _kept(score(judged.load, judged.values))
    baseline = {} if judged.naive is None else _kept(score(judged.load, judged.naive))
    peaks = _peaks(judged)
    overall = {name: value for name, value in peak_score(peaks).items() if name != "peak_days"}
    return {
        **kept,
        "expected": len(judged.values),
        **overall,
        "skill": skill(kept["mae"], baseline["mae"]) if baseline.get("n") == kept["n"] else None,
        "baseline": baseline,
        "by_lead_time": _by_lead_time(judged),
        "by_day": _by_day(judged, peaks),
    }


def beside_figures(beside: pd.DataFrame) -> dict[str, Any]:
    """Somebody else's `n, mae, rmse, mape, bias`, and the `skill` of ours against it on the same intervals."""
    from forecasting.metrics import score, skill

    theirs, ours = (score(beside["load"], beside[[name]].set_axis([0.5], axis=1)) for name in ("theirs", "ours"))
    kept = {name: theirs[name] for name in ("n", "mae", "rmse", "mape", "bias")}
    return {**kept, "mae_beside_external": ours["mae"], "skill": skill(ours["mae"], theirs["mae"])}


def attributed(judged: Judged, with_observed_weather: pd.Series) -> dict[str, Any]:
    """The error split: `model_mae` is that with the weather that happened, `weather_mae` the rest of `mae`, in MW.

    The rest is negative where the errors of the weather and of the model cancelled.
    """
    return _split(judged.values[0.5] - judged.load, with_observed_weather - judged.load)


def _split(error: pd.Series, model_error: pd.Series) -> dict[str, Any]:
    usable = error.notna() & model_error.notna()
    mae, model_mae = _mean(error[usable].abs()), _mean(model_error[usable].abs())
    weather_mae = None if mae is None or model_mae is None else mae - model_mae
    return {"n": int(usable.sum()), "mae": mae, "model_mae": model_mae, "weather_mae": weather_mae}


def _peaks(judged: Judged) -> pd.DataFrame:
    from forecasting.peaks import peak_errors

    rows = pd.DataFrame(
        {
            "origin": judged.issue_time,
            "valid_time": judged.values.index,
            "load": judged.load.to_numpy(),
            "forecast": judged.values[0.5].to_numpy(),
        }
    )
    return peak_errors(rows, resolution=judged.resolution, timezone=judged.timezone, point="forecast")


def _by_lead_time(judged: Judged) -> list[dict[str, Any]]:
    from forecasting.metrics import by_lead_time, score

    levels = list(judged.values.columns)
    theirs = (judged.beside["theirs"] - judged.beside["load"]).abs()
    theirs_block = _lead_hours(judged, judged.beside.index) // LEAD_TIME_BLOCK_HOURS
    rows = judged.values.assign(load=judged.load, lead_time_hours=_lead_hours(judged, judged.values.index))

    def measure(part: pd.DataFrame) -> dict[str, Any]:
        block = part["lead_time_hours"].iloc[0] // LEAD_TIME_BLOCK_HOURS
        others = {
            "naive_mae": _naive_mae(judged, part.index),
            "external_n": int(theirs[theirs_block == block].notna().sum()),
            "external_mae": _mean(theirs[theirs_block == block]),
        }
        return {**_kept(score(part["load"], part[levels])), **others}

    blocks: list[dict[str, Any]] = by_lead_time(rows, block_hours=LEAD_TIME_BLOCK_HOURS, scorer=measure)
    return blocks


def _lead_hours(judged: Judged, index: pd.Index) -> np.ndarray:
    return np.asarray((pd.DatetimeIndex(index) - judged.issue_time) / pd.Timedelta(hours=1))


def _by_day(judged: Judged, peaks: pd.DataFrame) -> list[dict[str, Any]]:
    from forecasting.metrics import score

    errors: dict[Any, dict[str, float]] = peaks.set_index("day_number")[_PEAK].T.to_dict()
    beside_day = _day_numbers(judged, judged.beside.index)
    rows = []
    days = _day_numbers(judged, judged.values.index)
    for day in np.unique(days).tolist():
        index = judged.values.index[days == day]
        kept = score(judged.load[index], judged.values.loc[index])
        beside = judged.beside[beside_day == day]
        rows.append(
            {
                "date": str(np.datetime64(day, "D")),
                "n": kept["n"],
                "expected": len(index),
                **{name: kept[name] for name in ("mae", "bias", "coverage_80")},
                "naive_mae": _naive_mae(judged, index),
                "external_n": len(beside),
                "external_mae": _mean((beside["theirs"] - beside["load"]).abs()),
                "mae_beside_external": _mean((beside["ours"] - beside["load"]).abs()),
                **(errors.get(day) or dict.fromkeys(_PEAK)),
                **_weather_and_model(judged, index),
            }
        )
    return rows


def _day_numbers(judged: Judged, index: pd.Index) -> np.ndarray:
    from forecasting.calendar import local_clock

    return local_clock(pd.DatetimeIndex(index), timezone=judged.timezone).day_number


def _weather_and_model(judged: Judged, index: pd.Index) -> dict[str, Any]:
    if judged.with_observed_weather is None:
        return {}
    load = judged.load[index]
    split = _split(judged.values.loc[index, 0.5] - load, judged.with_observed_weather[index] - load)
    return {name: split[name] for name in ("model_mae", "weather_mae")}


def _naive_mae(judged: Judged, index: pd.Index) -> float | None:
    return None if judged.naive is None else _mean((judged.naive.loc[index, 0.5] - judged.load[index]).abs())


def _mean(values: pd.Series) -> float | None:
    mean = float(values.mean())
    return mean if np.isfinite(mean) else None


def _kept(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {name: metrics[name] for name in KEPT}
