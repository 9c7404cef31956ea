"""The data contract, checked once at the door.

A history is a frame with a regular, timezone-aware UTC index (a timestamp labels the start of its interval), a column
`load` in MW with NaN for gaps, and any number of numeric covariates. A future is a frame with the index to forecast
and the covariates that are known ahead. Behind these functions the library trusts its frames.
"""

import hashlib
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import pandas as pd

from forecasting.errors import DataContractError
from forecasting.sharing import shared_on

LOAD = "load"
TEMPERATURE = "temperature"
MINIMUM_TRAINING = pd.Timedelta(days=14)
MINIMUM_CONTEXT = pd.Timedelta(days=7)
LATEST_LOAD = pd.Timedelta(days=14)
"""How long before the first interval to forecast the last known load may lie."""
SHORTEST_STEP = pd.Timedelta(minutes=5)
_HOUR = pd.Timedelta(hours=1)
_LARGEST = 1e15
"""Far beyond any load or covariate; squares of what lies within do not overflow."""
YEARS = (1900, 2200)
"""Offsets are whole minutes and nanoseconds do not overflow in between, with room for a week and a horizon."""


@dataclass(frozen=True)
class Window:
    """A validated history and the index to forecast, on one grid of `resolution`."""

    history: pd.DataFrame
    future: pd.DataFrame
    resolution: pd.Timedelta

    @property
    def origin(self) -> pd.Timestamp:
        """End of the last interval with a known load (UTC): lead times count from here."""
        return self.history.index[-1] + self.resolution


def validate_history(history: pd.DataFrame, *, minimum: pd.Timedelta = MINIMUM_CONTEXT) -> pd.DataFrame:
    """Check a history and return it as float64 columns on a nanosecond UTC index with its frequency set.

    Args:
        history: rows at a regular step that divides the hour, column `load` in MW (NaN where unknown), optional
            numeric covariates.
        minimum: shortest span from the first row to the end of the last.

    Raises:
        DataContractError: naming the first row, its value and the rule that it breaks.
    """
    _require_frame(history, "history")
    index = _validate_index(history.index, "history")
    if LOAD not in history.columns:
        _refuse(
            "history has no column 'load'",
            rule="a history has a numeric column 'load' in MW",
            value=list(history.columns),
        )
    frame = _validate_columns(history, index, "history")
    resolution = resolution_of(index)
    span = index[-1] - index[0] + resolution
    if span < minimum:
        _refuse(
            f"history spans {_readable(span)}, from {index[0]} to {index[-1]}",
            rule=f"at least {_readable(minimum)} of history are needed",
            value=_readable(span),
        )
    if not frame[LOAD].notna().any():
        _refuse("history has no observed load: every value is missing", rule="at least one load is observed")
    if minimum >= MINIMUM_TRAINING and frame[LOAD].notna().sum() * resolution < minimum / 2:
        _refuse(
            f"history has {int(frame[LOAD].notna().sum())} observed loads in {_readable(span)}",
            rule=f"training needs at least {_readable(minimum / 2)} of observed loads",
            value=int(frame[LOAD].notna().sum()),
        )
    return frame


def validate_window(
    history: pd.DataFrame,
    future: pd.DataFrame,
    *,
    horizon: pd.Timedelta,
    covariates: tuple[str, ...],
    resolution: pd.Timedelta,
) -> Window:
    """Check a history and a future together, as `predict` takes them.

    Trailing rows without load are cut, so that lead times count from the last load that is really known; whether the
    history has rows for the loads that are late makes no difference. A future spans at most twice `horizon`, the
    longest calibrated lead time, and starts at most two weeks after the last known load: loads may be late by days
    and still there is a forecast, with the widest calibrated spread. Later than that, nothing says what spread is due.

    Args:
        history: as in `validate_history`, up to the issue time.
        future: index to forecast, at the resolution of the history and after its end; the covariates known ahead.
        horizon: the longest calibrated lead time.
        covariates: columns that the model was trained with; each must exist in both frames (NaN is allowed).
        resolution: the resolution that the model was trained at.

    Raises:
        DataContractError: naming the first row, its value and the rule that it breaks.
    """
    past = validate_history(history)
    if resolution_of(past.index) != resolution:
        _refuse(
            f"history has a step of {_readable(resolution_of(past.index))}",
            rule=f"this model was trained at a step of {_readable(resolution)}",
            value=_readable(resolution_of(past.index)),
        )
    _require_frame(future, "future")
    if len(future) == 0:
        _refuse("future has no rows", rule="a future has at least one row to forecast")
    index = _validate_index(future.index, "future", single_row_resolution=resolution)
    if len(index) > 1 and resolution_of(index) != resolution:
        _refuse(
            f"future has a step of {_readable(resolution_of(index))}",
            rule=f"the step of the future equals that of the history, {_readable(resolution)}",
            value=_readable(resolution_of(index)),
        )
    last = past.index[-1]
    if index[0] <= last:
        _refuse(
            f"row 0 of future is {index[0]}",
            rule=f"the future starts after the history's last row, {last}",
            row=0,
            value=index[0],
        )
    if (index[0] - last) % resolution != pd.Timedelta(0):
        _refuse(
            f"row 0 of future is {index[0]}",
            rule=f"the future lies on the history's grid ({last} + n × {_readable(resolution)})",
            row=0,
            value=index[0],
        )
    span = index[-1] - index[0] + resolution
    if span > 2 * horizon:
        _refuse(
            f"future spans {_readable(span)}, from {index[0]} to {index[-1]}",
            rule=f"a model with a horizon of {_readable(horizon)} forecasts at most twice as much",
            row=len(index) - 1,
            value=index[-1],
        )
    observed = past.index[past[LOAD].notna()][-1]
    if index[0] - observed > LATEST_LOAD:
        _refuse(
            f"future starts at {index[0]}, {_readable(index[0] - observed)} after the last known load, of {observed}",
            rule=f"a forecast starts at most {_readable(LATEST_LOAD)} after the last known load: bring the loads up to "
            "date, or forecast from an earlier time",
            row=0,
            value=index[0],
        )
    for name, frame in (("history", history), ("future", future)):
        missing = [column for column in covariates if column not in frame.columns]
        if missing:
            _refuse(
                f"{name} lacks the covariates {missing} that this model was trained with",
                rule="every trained covariate is given; fill what is unknown with NaN, or train a model without it",
                value=list(frame.columns),
            )
    ahead = _validate_columns(future[list(covariates)], index, "future")
    known = past[LOAD].notna().to_numpy()
    trimmed = past.iloc[: int(np.flatnonzero(known)[-1]) + 1]
    return Window(history=trimmed[[LOAD, *covariates]], future=ahead, resolution=resolution)


def observed_span(history: pd.DataFrame) -> pd.DataFrame:
    """The rows of a validated history from its first known load to its last."""
    known = np.flatnonzero(history[LOAD].notna().to_numpy())
    return history.iloc[int(known[0]) : int(known[-1]) + 1]


def fingerprint(frame: pd.DataFrame) -> str:
    """The SHA-256 of a validated history: its times, its columns and their values."""
    digest = hashlib.sha256(pd.DatetimeIndex(frame.index).asi8.tobytes())
    for column in frame.columns:
        digest.update(column.encode() + b"\0")
        # One NaN for all: the payload of a NaN is no part of the data.
        values = frame[column].to_numpy()
        digest.update(np.where(np.isnan(values), np.nan, values).tobytes())
    return digest.hexdigest()


def resolution_of(index: pd.Index) -> pd.Timedelta:
    """The step of a validated index, or of any regular one with at least two rows."""
    # A history may be cut to its one known load: its frequency still says the step.
    freq = getattr(index, "freq", None)
    return pd.Timedelta(index[1] - index[0] if freq is None else freq)


def _require_frame(frame: object, name: str) -> None:
    if not isinstance(frame, pd.DataFrame):
        _refuse(f"{name} is a {type(frame).__name__}", rule=f"{name} is a pandas DataFrame", value=type(frame).__name__)


def _validate_index(
    index: pd.Index, name: str, *, single_row_resolution: pd.Timedelta | None = None
) -> pd.DatetimeIndex:
    if not isinstance(index, pd.DatetimeIndex):
        _refuse(
            f"the index of {name} is a {type(index).__name__}",
            rule="the index is a DatetimeIndex in UTC",
            value=type(index).__name__,
        )
    # Series in one call often have the same index: what has passed once need not be checked again.
    return shared_on("indices").get(
        (index.asi8.tobytes(), index.unit, str(index.tz), single_row_resolution),
        lambda: _checked_index(index, name, single_row_resolution),
    )


def _checked_index(index: pd.DatetimeIndex, name: str, single_row_resolution: pd.Timedelta | None) -> pd.DatetimeIndex:
    if index.tz is None:
        _refuse(
            f"the index of {name} has no timezone",
            rule="timestamps are timezone-aware, in UTC: use .tz_localize",
            value=None,
        )
    if str(index.tz) not in {"UTC", "UTC+00:00"}:
        _refuse(
            f"the index of {name} is in {index.tz}",
            rule="timestamps are in UTC: use .tz_convert('UTC')",
            value=str(index.tz),
        )
    if index.hasnans:
        row = int(np.flatnonzero(index.isna())[0])
        _refuse(f"row {row} of {name} has no timestamp (NaT)", rule="every row has a timestamp", row=row)
    strange = np.flatnonzero((index.year < YEARS[0]) | (index.year >= YEARS[1]))
    if strange.size:
        row = int(strange[0])
        _refuse(
            f"row {row} of {name} is {index[row]}",
            rule=f"timestamps lie in the years {YEARS[0]} to {YEARS[1] - 1}",
            row=row,
            value=index[row],
        )
    if len(index) < 2 and single_row_resolution is None:
        _refuse(
            f"{name} has {len(index)} rows",
            rule="at least two rows are needed to know the resolution",
            value=len(index),
        )
    clean = index.tz_convert("UTC").as_unit("ns")
    if len(clean) > 1:
        _validate_steps(clean, name)
    step = resolution_of(clean) if len(clean) > 1 else single_row_resolution
    return pd.DatetimeIndex(clean, freq=pd.tseries.frequencies.to_offset(step) or "infer", name="valid_time")


def _validate_steps(index: pd.DatetimeIndex, name: str) -> None:
    steps = np.diff(index.asi8)
    wrong_way = np.flatnonzero(steps <= 0)
    if wrong_way.size:
        row = int(wrong_way[0]) + 1
        what = "repeats" if steps[wrong_way[0]] == 0 else "is earlier than"
        _refuse(
            f"row {row} of {name} ({index[row]}) {what} the row before it",
            rule="timestamps increase, each once",
            row=row,
            value=index[row],
        )
    # The lower median: one of the steps, where the mean of the two in the middle may be none.
    common = int(np.sort(steps)[(len(steps) - 1) // 2])
    odd = np.flatnonzero(steps != common)
    if odd.size:
        row = int(odd[0]) + 1
        _refuse(
            f"row {row} of {name} ({index[row]}) is {_readable(pd.Timedelta(int(steps[odd[0]])))} after the one before",
            rule=f"every step is {_readable(pd.Timedelta(common))}; keep missing intervals as rows with NaN (.asfreq)",
            row=row,
            value=index[row],
        )
    step = pd.Timedelta(common)
    if not SHORTEST_STEP <= step <= _HOUR or _HOUR % step != pd.Timedelta(0):
        _refuse(
            f"{name} has a step of {_readable(step)}",
            rule="the step divides the hour and is 5 minutes at least, such as 5, 10, 15, 30 or 60 minutes",
            value=_readable(step),
        )


def _validate_columns(frame: pd.DataFrame, index: pd.DatetimeIndex, name: str) -> pd.DataFrame:
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        _refuse(f"{name} has the column {twice[0]!r} twice", rule="column names are unique", value=str(twice[0]))
    clean = {}
    for column in frame.columns:
        if not isinstance(column, str):
            _refuse(f"{name} has a column named {column!r}", rule="column names are text", value=column)
        values = frame[column]
        if not pd.api.types.is_any_real_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
            as_number = pd.to_numeric(values, errors="coerce")
            broken = np.flatnonzero((as_number.isna() & values.notna()).to_numpy())
            if not broken.size:
                _refuse(
                    f"column {column!r} of {name} has the dtype {values.dtype}",
                    rule="columns are numeric: use .astype(float)",
                    value=str(values.dtype),
                )
            row = int(broken[0])
            _refuse(
                f"row {row} of {name}, column {column!r}: {values.iloc[row]!r} is not a number",
                rule="columns are numeric",
                row=row,
                value=values.iloc[row],
            )
        clean[column] = values.to_numpy(dtype="float64", na_value=np.nan)
        absurd = np.flatnonzero(np.abs(clean[column]) > _LARGEST)
        if absurd.size:
            row = int(absurd[0])
            value = float(clean[column][row])
            _refuse(
                f"row {row} of {name} ({index[row]}), column {column!r}: {value:g} is "
                + ("not finite" if np.isinf(value) else "too large"),
                rule=f"values are finite and at most {_LARGEST:g} in size, or NaN where unknown",
                row=row,
                value=value,
            )
    return pd.DataFrame(clean, index=index)


def _readable(span: pd.Timedelta) -> str:
    minutes = span / pd.Timedelta(minutes=1)
    if minutes % 1440 == 0 and minutes >= 1440:
        return f"{minutes / 1440:g} days"
    if minutes >= 14 * 1440:
        return f"{minutes / 1440:.2f} days"
    return f"{minutes / 60:g} h" if minutes >= 120 else f"{minutes:g} min"


def _refuse(message: str, *, rule: str, row: int | None = None, value: object = None) -> NoReturn:
    raise DataContractError(message, rule=rule, row=row, value=value)
