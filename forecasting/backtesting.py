"""Backtests: forecasts from past origins, each with only what was known then.

At each origin the model gets the loads and covariates before it. The weather to come is not known then, so covariates
are withheld from the origin on. Those that the model is made for knowing ahead (its setting `known_future`) are given
as they were forecast at the origin, where the caller has that (`covariates_at`), and else as observed, as if perfectly
forecast; the report says which.
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
from forecasting.known_at_origin import (
    FORECAST,
    PARTLY_FORECAST,
    PERFECT,
    WITHHELD,
    CovariatesAt,
    availability,
    covariates_ahead,
    what_was_assumed,
)
from forecasting.metrics import by_lead_time, calibration, score, seasonal_scale, skill
from forecasting.models.base import Forecaster
from forecasting.models.settings import SETTINGS
from forecasting.peaks import peak_errors, peak_score
from forecasting.registry import create_model
from forecasting.significance import compare_errors, error_differences

_BLOCK_HOURS = 6.0
_ONE_INSTANT = pd.Timedelta(1, unit="ns")

__all__ = ["FORECAST", "PARTLY_FORECAST", "PERFECT", "WITHHELD", "backtest", "daily_origins"]


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
    covariates_at: CovariatesAt | None = None,
    prepare: Callable[[pd.DataFrame], pd.DataFrame] | None = None,
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
        covariates_at: called with an origin and the index ahead of it (UTC); gives a frame of what was forecast then of
            the covariates in `known_future`. Where it is NaN or lacks a column, the history's value is given, and
            `known_at_origin` says of which share. It must itself keep to what was known at the origin. What models are
            trained on, and see of the time before an origin, is the history's.
        prepare: what is done to the history before an origin, such as a profile of `forecasting.preprocessing`, before
            a model is trained or forecasts from it. It is given nothing later. Scores, and the naive, are of the
            history as it is.

    Raises:
        DataContractError: the history breaks the contract, lacks a covariate of `known_future`, or an origin has no two
            weeks before it or no row after it; or `covariates_at` gives something else than such a frame.
    """
    frame = validate_history(history)
    given = model.known_ahead(list(frame.columns.drop(LOAD)))
    moments = _checked_origins(frame, origins)
    rivals = {"model": _fresh(model, like=model)}
    if champion is not None:
        rivals["champion"] = _fresh(champion, like=model)
    naive = create_model("seasonal_naive", **_shared_settings(model)).fit(_before(frame, moments[0])[[LOAD]])
    parts: list[pd.DataFrame] = []
    quantiles: dict[str, list[pd.DataFrame]] = {"baseline": [], **{name: [] for name in rivals}}
    known, shares = [], []
    trained_until = moments[0]
    for number, origin in enumerate(moments):
        measured = _before(frame, origin)
        past = measured if prepare is None else prepare(measured)
        if number == 0 or refit:
            trained_until = origin
            rivals = {name: create_model(each.kind, **each.parameters).fit(past) for name, each in rivals.items()}
        rows = frame.loc[origin : origin + model.settings.horizon - _ONE_INSTANT]
        ahead = covariates_ahead(rows.drop(columns=LOAD), origin=origin, given=given, covariates_at=covariates_at)
        forecasts = {name: each.predict(past, ahead.future) for name, each in rivals.items()}
        forecasts["baseline"] = naive.predict(measured[[LOAD]], ahead.future[[]])
        for name, forecast in forecasts.items():
            quantiles[name].append(forecast)
        parts.append(_rows(origin, rows[LOAD], forecasts))
        known.append(availability(past, ahead, origin=origin, trained_until=trained_until))
        shares.append(ahead.shares)
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
        covariates={
            name: what_was_assumed([each[name] for each in shares]) if name in given else WITHHELD
            for name in frame.columns.drop(LOAD)
        },
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
        calibration=calibration(predictions[LOAD], predictions[levels]),
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
