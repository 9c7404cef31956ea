"""Backtests: forecasts from past origins, each with only what was known then.

At each origin the model gets the loads and covariates before it. The weather to come is not known then, so covariates
are withheld from the origin on. Those that the model is made for knowing ahead (its setting `known_future`) are given
as observed, as if perfectly forecast; the report says which.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd

from forecasting.backtest_report import BacktestReport, Metrics
from forecasting.breakdowns import by_day_type, by_holiday, by_hour
from forecasting.calendar import check_timezone, checked_duration, local_midnights
from forecasting.contracts import LOAD, MINIMUM_TRAINING, resolution_of, validate_history
from forecasting.errors import DataContractError, SettingsError
from forecasting.metrics import by_lead_time, score, seasonal_scale, skill
from forecasting.models.base import Forecaster
from forecasting.models.settings import SETTINGS
from forecasting.peaks import peak_errors, peak_score
from forecasting.registry import create_model
from forecasting.significance import compare_errors, error_differences

_BLOCK_HOURS = 6.0
_ONE_INSTANT = pd.Timedelta(1, unit="ns")
WITHHELD = "unknown from the origin on"
PERFECT = "observed values, as if perfectly forecast"


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
    midnights = local_midnights(start, end + _ONE_INSTANT, timezone=timezone) if end >= start else frame.index[:0]
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
    champion: Forecaster | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> BacktestReport:
    """Forecast a horizon from each origin and score it, beside the weekly seasonal naive and beside a champion.

    A fresh model of the same kind and settings is trained on the history before the first origin (before each origin
    with `refit`), so what `model` itself was fitted on plays no part; `model` is left as it is. The same is done with
    the champion: what it was fitted on may hold the very loads to forecast, or end long before them, and a difference
    would say more about the data than about the models.

    Args:
        model: fitted or not.
        history: as in `fit`, reaching beyond the last origin.
        origins: UTC instants on the grid of the history.
        refit: train again at each origin.
        champion: fitted or not. Its kind, hyper-parameters, seed and threads compete; timezone, holidays, quantiles,
            horizon and the covariates known ahead are the model's, so that both know the same and forecast the same.
        progress: called with (origins done, origins in all) after each.

    Raises:
        DataContractError: the history breaks the contract, lacks a covariate of `known_future`, or an origin has no two
            weeks before it or no row after it.
    """
    frame = validate_history(history)
    covariates = list(frame.columns.drop(LOAD))
    given = model.known_ahead(covariates)
    assumed = {name: PERFECT if name in given else WITHHELD for name in covariates}
    moments = _checked_origins(frame, origins)
    rivals = {"model": _fresh(model, like=model)}
    if champion is not None:
        rivals["champion"] = _fresh(champion, like=model)
    naive = create_model("seasonal_naive", **_shared_settings(model)).fit(_before(frame, moments[0])[[LOAD]])
    parts: list[pd.DataFrame] = []
    quantiles: dict[str, list[pd.DataFrame]] = {"baseline": [], **{name: [] for name in rivals}}
    known = []
    trained_until = moments[0]
    for number, origin in enumerate(moments):
        past = _before(frame, origin)
        if number == 0 or refit:
            trained_until = origin
            rivals = {name: create_model(each.kind, **each.parameters).fit(past) for name, each in rivals.items()}
        ahead = frame.loc[origin : origin + model.settings.horizon - _ONE_INSTANT]
        future = _as_known(ahead.drop(columns=LOAD), assumed)
        forecasts = {name: each.predict(past, future) for name, each in rivals.items()}
        forecasts["baseline"] = naive.predict(past[[LOAD]], future[[]])
        for name, forecast in forecasts.items():
            quantiles[name].append(forecast)
        parts.append(_rows(origin, ahead[LOAD], forecasts))
        known.append(_availability(past, future, assumed, origin=origin, trained_until=trained_until))
        if progress is not None:
            progress(number + 1, len(moments))
    predictions = pd.concat(parts, ignore_index=True)
    forecast_of = {name: pd.concat(each, ignore_index=True) for name, each in quantiles.items()}
    scale = seasonal_scale(_before(frame, moments[0]))
    return _report(
        model,
        predictions,
        forecast_of,
        measure=partial(score, seasonal_scale=scale),
        resolution=resolution_of(frame.index),
        champion=rivals.get("champion"),
        known_at_origin=known,
        covariates=assumed,
        refit=refit,
    )


def _report(
    model: Forecaster,
    predictions: pd.DataFrame,
    forecast_of: dict[str, pd.DataFrame],
    *,
    measure: Callable[[pd.Series, pd.DataFrame], Metrics],
    resolution: pd.Timedelta,
    champion: Forecaster | None,
    **facts: Any,
) -> BacktestReport:
    settings = model.settings
    levels = list(settings.quantiles)
    timezone = settings.timezone
    days = {"country": settings.country, "subdivision": settings.subdivision}
    points = {"model": 0.5, "baseline": "baseline", "champion": "champion"}

    def whole(name: str) -> Metrics:
        peaks = peak_errors(predictions, resolution=resolution, timezone=timezone, point=points[name])
        return {**measure(predictions[LOAD], forecast_of[name]), **peak_score(peaks)}

    def part(rows: pd.DataFrame) -> Metrics:
        metrics = measure(rows[LOAD], rows[levels])
        return {
            **metrics,
            "skill": skill(metrics["mae"], _mean_error(rows, "baseline")),
            "skill_against_champion": skill(metrics["mae"], _mean_error(rows, "champion")),
        }

    def tested(name: str) -> dict[str, Any]:
        differences = error_differences(predictions, point=0.5, reference=name)
        return compare_errors(differences, horizon=settings.horizon)

    return BacktestReport(
        kind=model.kind,
        parameters=model.parameters,
        metrics=whole("model"),
        baseline=whole("baseline"),
        champion=None if champion is None else whole("champion"),
        champion_model=None if champion is None else {"kind": champion.kind, "parameters": champion.parameters},
        significance={
            "baseline": tested("baseline"),
            "champion": None if champion is None else tested("champion"),
        },
        by_lead_time=by_lead_time(predictions, block_hours=_BLOCK_HOURS, scorer=part),
        by_hour=by_hour(predictions, timezone=timezone, scorer=part),
        by_day_type=by_day_type(predictions, timezone=timezone, **days, scorer=part),
        by_holiday=by_holiday(predictions, timezone=timezone, **days, scorer=part),
        predictions=predictions,
        **facts,
    )


def _mean_error(rows: pd.DataFrame, name: str) -> float | None:
    if name not in rows:
        return None
    error = (rows[name] - rows[LOAD]).abs().mean()
    return None if pd.isna(error) else float(error)


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
    return {name: model.parameters[name] for name in SETTINGS if name != "known_future"}


def _fresh(model: Forecaster, *, like: Forecaster) -> Forecaster:
    """An untrained copy of a model, to forecast what `like` forecasts from what `like` knows."""
    shared: dict[str, Any] = {name: like.parameters[name] for name in SETTINGS if name not in {"seed", "threads"}}
    return create_model(model.kind, **(model.parameters | shared))


def _as_known(covariates: pd.DataFrame, assumed: dict[str, str]) -> pd.DataFrame:
    unknown = {name: float("nan") for name, how in assumed.items() if how == WITHHELD}
    return covariates.assign(**unknown)


def _rows(origin: pd.Timestamp, load: pd.Series, forecasts: dict[str, pd.DataFrame]) -> pd.DataFrame:
    rows = pd.DataFrame(
        {
            "origin": origin,
            "valid_time": load.index,
            "lead_time_hours": (pd.DatetimeIndex(load.index) - origin) / pd.Timedelta(hours=1),
            LOAD: load.to_numpy(),
        }
    )
    for name in ("baseline", "champion"):
        if name in forecasts:
            rows[name] = forecasts[name][0.5].to_numpy()
    return pd.concat([rows, forecasts["model"].reset_index(drop=True)], axis=1)


def _availability(
    past: pd.DataFrame,
    future: pd.DataFrame,
    assumed: dict[str, str],
    *,
    origin: pd.Timestamp,
    trained_until: pd.Timestamp,
) -> dict[str, Any]:
    """What was known at an origin, and how far: read off the very frames that the model was given."""
    covariates = {}
    for name, how in assumed.items():
        observed = _last_known(past[name])
        covariates[name] = {
            "last_observed": observed,
            "after_origin": how,
            "last_used": _last_known(future[name]) or observed,
        }
    return {
        "origin": origin.isoformat(),
        "trained_from": past.index[0].isoformat(),
        "trained_until": trained_until.isoformat(),
        "last_load": _last_known(past[LOAD]),
        "forecast_from": future.index[0].isoformat(),
        "forecast_until": (future.index[-1] + resolution_of(past.index)).isoformat(),
        "covariates": covariates,
    }


def _last_known(values: pd.Series) -> str | None:
    known = values.index[values.notna()]
    return known[-1].isoformat() if len(known) else None
