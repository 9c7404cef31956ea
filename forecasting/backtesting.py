"""Backtests: forecasts from past origins, each with only what was known then.

At each origin the model gets the loads and covariates before it. The weather to come is not known then, so covariates
are withheld from the origin on. Those that the model is made for knowing ahead (its setting `known_future`) are given
as observed, as if perfectly forecast; the report says which.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from forecasting.calendar import check_timezone, checked_duration, local_midnights
from forecasting.contracts import LOAD, MINIMUM_TRAINING, resolution_of, validate_history
from forecasting.errors import DataContractError, SettingsError
from forecasting.metrics import by_lead_time, score, seasonal_scale
from forecasting.models.base import Forecaster
from forecasting.registry import create_model

_BLOCK_HOURS = 6.0
WITHHELD = "unknown from the origin on"
PERFECT = "observed values, as if perfectly forecast"


@dataclass(frozen=True)
class BacktestReport:
    """What a backtest found. `metrics` and `baseline` have the keys of `forecasting.metrics.METRICS`."""

    kind: str
    parameters: dict[str, Any]
    metrics: dict[str, float | int | None]
    baseline: dict[str, float | int | None]
    """The weekly seasonal naive on the same origins and rows."""
    by_lead_time: list[dict[str, float | int | None]]
    predictions: pd.DataFrame = field(repr=False)
    """Columns `origin`, `valid_time` (UTC), `lead_time_hours`, `load` and `baseline` (MW), and the quantile levels."""
    known_at_origin: list[dict[str, Any]] = field(repr=False)
    """Per origin: training period, last load known, and period forecast."""
    covariates: dict[str, str]
    """Per covariate, what was assumed of it after the origin: `WITHHELD` or `PERFECT`."""
    refit: bool

    @property
    def skill(self) -> float | None:
        """1 − MAE / MAE of the baseline: above zero is better than last week's load; None where undefined."""
        mae, reference = self.metrics["mae"], self.baseline["mae"]
        return None if mae is None or not reference else 1 - mae / reference

    def to_dict(self) -> dict[str, Any]:
        """The report without the single predictions, JSON-able."""
        return {
            "kind": self.kind,
            "parameters": self.parameters,
            "refit": self.refit,
            "covariates": self.covariates,
            "n_origins": len(self.known_at_origin),
            "metrics": self.metrics,
            "baseline": self.baseline,
            "skill": self.skill,
            "by_lead_time": self.by_lead_time,
            "known_at_origin": self.known_at_origin,
        }


def daily_origins(
    history: pd.DataFrame, *, timezone: str, horizon: str | pd.Timedelta, count: int, every_days: int = 1
) -> pd.DatetimeIndex:
    """Local midnights to forecast from, as UTC, newest last.

    The newest is the last whose whole horizon lies inside the history; the others precede it by `every_days` local
    days. Each has at least two weeks of history before it; where fewer than `count` have, fewer are returned.

    Raises:
        DataContractError: not even one origin fits.
        SettingsError: a timezone that is no IANA name, a horizon that is no duration, a number below 1.
    """
    check_timezone(timezone)
    for name, number in (("count", count), ("every_days", every_days)):
        if not isinstance(number, int) or number < 1:
            raise SettingsError(f"{name} {number!r} must be a whole number, at least 1")
    frame = validate_history(history)
    start = frame.index[0] + MINIMUM_TRAINING
    end = frame.index[-1] + resolution_of(frame.index) - checked_duration("horizon", horizon)
    one_instant = pd.Timedelta(1, unit="ns")
    midnights = local_midnights(start, end + one_instant, timezone=timezone) if end >= start else frame.index[:0]
    if len(midnights) == 0:
        raise DataContractError(
            f"history from {frame.index[0]} to {frame.index[-1]} holds no origin "
            f"with two weeks before it and {horizon} after it",
            rule="a backtest needs two weeks and a horizon of history",
        )
    return pd.DatetimeIndex(midnights[::-every_days][:count][::-1])


def backtest(
    model: Forecaster,
    history: pd.DataFrame,
    *,
    origins: pd.DatetimeIndex,
    refit: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> BacktestReport:
    """Forecast a horizon from each origin and score it.

    A fresh model of the same kind and settings is trained on the history before the first origin (before each origin
    with `refit`), so what `model` itself was fitted on plays no part; `model` is left as it is.

    Args:
        model: fitted or not.
        history: as in `fit`, reaching beyond the last origin.
        origins: UTC instants on the grid of the history.
        refit: train again at each origin.
        progress: called with (origins done, origins in all) after each.

    Raises:
        DataContractError: the history breaks the contract, lacks a covariate of `known_future`, or an origin has no two
            weeks before it or no row after it.
    """
    frame = validate_history(history)
    covariates = list(frame.columns.drop(LOAD))
    given = model.known_ahead(covariates)
    assumed = {name: PERFECT if name in given else WITHHELD for name in covariates}
    withheld = [name for name, how in assumed.items() if how == WITHHELD]
    moments = _checked_origins(frame, origins)
    horizon = model.settings.horizon
    before_first = _before(frame, moments[0])
    naive = create_model("seasonal_naive", **_shared_settings(model)).fit(before_first[[LOAD]])
    candidate, trained_until = None, moments[0]
    parts, baselines, known = [], [], []
    for number, origin in enumerate(moments):
        past = _before(frame, origin)
        if candidate is None or refit:
            candidate, trained_until = create_model(model.kind, **model.parameters).fit(past), origin
        ahead = frame.loc[origin : origin + horizon - pd.Timedelta(1, unit="ns")]
        future = ahead.drop(columns=LOAD).assign(**dict.fromkeys(withheld, float("nan")))
        forecast = candidate.predict(past, future)
        reference = naive.predict(past[[LOAD]], future[[]])
        parts.append(_rows(origin, ahead[LOAD], reference, forecast))
        baselines.append(reference)
        known.append(_availability(frame, past, future, origin=origin, trained_until=trained_until))
        if progress is not None:
            progress(number + 1, len(moments))
    predictions = pd.concat(parts, ignore_index=True)
    scale = seasonal_scale(before_first)
    levels = list(model.settings.quantiles)

    def scored(rows: pd.DataFrame) -> dict[str, float | int | None]:
        return score(rows[LOAD], rows[levels], seasonal_scale=scale)

    return BacktestReport(
        kind=model.kind,
        parameters=model.parameters,
        metrics=scored(predictions),
        baseline=score(predictions[LOAD], pd.concat(baselines, ignore_index=True), seasonal_scale=scale),
        by_lead_time=by_lead_time(predictions, block_hours=_BLOCK_HOURS, scorer=scored),
        predictions=predictions,
        known_at_origin=known,
        covariates=assumed,
        refit=refit,
    )


def _checked_origins(frame: pd.DataFrame, origins: pd.DatetimeIndex) -> pd.DatetimeIndex:
    if not isinstance(origins, pd.DatetimeIndex):
        kind = type(origins).__name__
        raise DataContractError(f"origins are a {kind}", rule="origins are a pandas DatetimeIndex", value=kind)
    if len(origins) == 0:
        raise DataContractError("origins are empty", rule="a backtest needs at least one origin")
    if origins.tz is None:
        raise DataContractError("origins have no timezone", rule="origins are timezone-aware UTC instants")
    moments = origins.sort_values().unique().tz_convert("UTC")
    for row, origin in enumerate(moments):
        if origin not in frame.index:
            raise DataContractError(
                f"origin {row} ({origin}) is no row of the history",
                rule="an origin is the start of an interval of the history",
                row=row,
                value=origin,
            )
    moments = moments.as_unit("ns")
    if moments[0] - frame.index[0] < MINIMUM_TRAINING:
        raise DataContractError(
            f"origin 0 ({moments[0]}) has {moments[0] - frame.index[0]} of history before it",
            rule="the first origin has at least two weeks of history before it",
            row=0,
            value=moments[0],
        )
    return moments


def _before(frame: pd.DataFrame, origin: pd.Timestamp) -> pd.DataFrame:
    return frame.loc[frame.index < origin]


def _shared_settings(model: Forecaster) -> dict[str, Any]:
    names = ("timezone", "country", "subdivision", "quantiles", "horizon", "seed", "threads")
    return {name: model.parameters[name] for name in names}


def _rows(origin: pd.Timestamp, load: pd.Series, reference: pd.DataFrame, forecast: pd.DataFrame) -> pd.DataFrame:
    rows = pd.DataFrame(
        {
            "origin": origin,
            "valid_time": load.index,
            "lead_time_hours": (pd.DatetimeIndex(load.index) - origin) / pd.Timedelta(hours=1),
            LOAD: load.to_numpy(),
            "baseline": reference[0.5].to_numpy(),
        }
    )
    return pd.concat([rows, forecast.reset_index(drop=True)], axis=1)


def _availability(
    frame: pd.DataFrame, past: pd.DataFrame, future: pd.DataFrame, *, origin: pd.Timestamp, trained_until: pd.Timestamp
) -> dict[str, Any]:
    known = past.index[past[LOAD].notna()]
    return {
        "origin": origin.isoformat(),
        "trained_from": frame.index[0].isoformat(),
        "trained_until": trained_until.isoformat(),
        "last_load": known[-1].isoformat() if len(known) else None,
        "forecast_from": future.index[0].isoformat(),
        "forecast_until": (future.index[-1] + resolution_of(frame.index)).isoformat(),
    }
