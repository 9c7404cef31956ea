"""A CSV file as a history: timestamps to UTC, missing intervals as gaps, errors by line."""

import gzip
import logging
import lzma
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import pandas as pd

from forecasting.calendar import check_timezone
from forecasting.contracts import LOAD, TEMPERATURE
from forecasting.errors import DataContractError

_log = logging.getLogger(__name__)
_HEADER_LINES = 1
_LONGEST_GAP = pd.Timedelta(days=366)
_UNREADABLE = (
    ValueError,
    EOFError,
    ImportError,
    gzip.BadGzipFile,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)
_USUAL_LOAD = (LOAD, "load_mw")
_USUAL_TEMPERATURE = (TEMPERATURE, "temperature_c")


@dataclass(frozen=True)
class Columns:
    """Which columns of the file mean what; `timezone` is that of timestamps without an offset.

    A load or temperature of None is the first of its usual names that the file has.
    """

    time: str
    load: str | None
    temperature: str | None
    covariates: tuple[str, ...]
    timezone: str | None


def read_history(path: Path, *, columns: Columns) -> pd.DataFrame:
    """Read a file as a frame with a regular UTC index, `load`, and the covariates.

    Intervals that the file leaves out become rows of NaN. The frame still passes through the data contract.

    Raises:
        DataContractError: naming the line, the value and the rule.
        SettingsError: the timezone is no IANA name.
        OSError: the file cannot be read.
    """
    if columns.timezone is not None:
        check_timezone(columns.timezone)
    raw = _text(path)
    wanted = _wanted(raw, path, columns)
    index = _timestamps(raw[columns.time], path, columns.timezone)
    values = {name: _numbers(raw[source], path, source) for name, source in wanted.items()}
    frame = pd.DataFrame({name: column.to_numpy() for name, column in values.items()}, index=index)
    return _regular(frame, path)


def _text(path: Path) -> pd.DataFrame:
    """The file's cells as text, one row per line below the header."""
    try:
        # Blank lines stay, so that a row's number tells its line; the header is read as a row to see names given twice.
        lines = pd.read_csv(path, header=None, dtype=str, keep_default_na=False, skip_blank_lines=False)
    except (*_UNREADABLE, OSError) as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise
        reason = " ".join(str(error).split())
        raise DataContractError(
            f"{path} cannot be read as CSV: {reason}", rule="the file is CSV in UTF-8 with a header, whole, as packed"
        ) from error
    names, rows = lines.iloc[0].str.strip(), lines.iloc[1:].reset_index(drop=True)
    twice = names[names.duplicated() & (names != "")]
    if len(twice):
        raise DataContractError(
            f"{path}, line 1: {twice.iloc[0]!r} comes twice", rule="column names are unique", row=0, value=twice.iloc[0]
        )
    written = np.flatnonzero((rows != "").any(axis=1))
    if not written.size:
        raise DataContractError(f"{path} has no rows", rule="the file has at least one row")
    return rows.iloc[: written[-1] + 1].set_axis(names.to_list(), axis=1)


def _wanted(raw: pd.DataFrame, path: Path, columns: Columns) -> dict[str, str]:
    load = columns.load or next((name for name in _USUAL_LOAD if name in raw.columns), LOAD)
    temperature = columns.temperature or next((name for name in _USUAL_TEMPERATURE if name in raw.columns), None)
    wanted = {LOAD: load} if temperature is None else {LOAD: load, TEMPERATURE: temperature}
    for name in columns.covariates:
        if wanted.get(name, name) != name:
            rule = "a covariate is another column than the load and the temperature"
            message = f"{path}: --covariate {name} and {wanted[name]!r} would both be {name!r}"
            raise DataContractError(message, rule=rule, value=name)
        wanted[name] = name
    for name in (columns.time, *wanted.values()):
        if name not in raw.columns:
            raise DataContractError(
                f"{path} has no column {name!r}; it has {list(raw.columns)}", rule="the named columns exist", value=name
            )
    return wanted


def _timestamps(text: pd.Series, path: Path, timezone: str | None) -> pd.DatetimeIndex:
    # Hours alone are an offset too, as PostgreSQL writes it, but only after a time of day: a date ends in "-01".
    offset = text.str.strip().str.contains(r"Z$|\d[T ]\d.*[+-]\d\d(?::?\d\d)?$", regex=True)
    parsed = pd.to_datetime(text, utc=True, errors="coerce", format="ISO8601")
    broken = np.flatnonzero(parsed.isna())
    if broken.size:
        _refuse(path, int(broken[0]), text, rule="a timestamp is ISO 8601, such as 2014-01-01T00:30:00+11:00")
    if offset.all():
        return pd.DatetimeIndex(parsed)
    if timezone is None:
        _refuse(
            path,
            int(np.flatnonzero(~offset)[0]),
            text,
            rule="a timestamp has a UTC offset, or --csv-timezone says whose clock it is",
        )
    if offset.any():
        _refuse(path, int(np.flatnonzero(offset)[0]), text, rule="all timestamps have a UTC offset, or none")
    return _from_local(text, pd.DatetimeIndex(parsed).tz_localize(None), path, timezone)


def _from_local(text: pd.Series, local: pd.DatetimeIndex, path: Path, timezone: str) -> pd.DatetimeIndex:
    """Local times as UTC; where the clock is put back, the first of two equal times is the summer one."""
    first_of_two = local.duplicated(keep="last")
    utc = local.tz_localize(timezone, ambiguous=first_of_two, nonexistent="NaT")
    skipped = np.flatnonzero(utc.isna())
    if skipped.size:
        rule = f"a local time exists in {timezone}, where the clock is put forward over this one; write UTC offsets"
        _refuse(path, int(skipped[0]), text, rule=rule)
    unclear = local.tz_localize(timezone, ambiguous="NaT", nonexistent="NaT").isna()
    alone = np.flatnonzero(unclear & ~local.duplicated(keep=False))
    if alone.size:
        rule = f"a local time that comes twice in {timezone} is in the file twice, or has a UTC offset"
        _refuse(path, int(alone[0]), text, rule=rule)
    return utc.tz_convert("UTC")


def _numbers(text: pd.Series, path: Path, name: str) -> pd.Series:
    stripped = text.str.strip()
    missing = stripped.str.lower().isin({"", "na", "nan", "null", "none"})
    numbers = pd.to_numeric(stripped.where(~missing), errors="coerce")
    broken = np.flatnonzero((numbers.isna() & ~missing) | np.isinf(numbers))
    if broken.size:
        _refuse(path, int(broken[0]), text, rule=f"column {name!r} is a finite number, or empty where unknown")
    return numbers.astype(float)


def _regular(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    index = pd.DatetimeIndex(frame.index).as_unit("ns")
    steps = np.diff(index.asi8)
    wrong = np.flatnonzero(steps <= 0)
    if wrong.size:
        row = int(wrong[0]) + 1
        rule = "each interval comes once" if steps[wrong[0]] == 0 else "rows are in order of time"
        _refuse(path, row, pd.Series(index.astype(str)), rule=rule)
    if not steps.size:
        return frame
    sizes, counts = np.unique(steps, return_counts=True)
    usual = int(sizes[counts.argmax()])
    far = np.flatnonzero(steps > _LONGEST_GAP.value)
    if far.size:
        rule = f"a row comes at most {_LONGEST_GAP.days} days after the one before"
        _refuse(path, int(far[0]) + 1, pd.Series(index.astype(str)), rule=rule)
    odd = np.flatnonzero(steps % usual)
    if odd.size:
        rule = f"intervals are {pd.Timedelta(usual)} long, or whole multiples where some are missing"
        _refuse(path, int(odd[0]) + 1, pd.Series(index.astype(str)), rule=rule)
    regular = frame.asfreq(pd.tseries.frequencies.to_offset(pd.Timedelta(usual)))
    if len(regular) > len(frame):
        _log.warning(
            "%s leaves out %d intervals of %d; they count as gaps", path, len(regular) - len(frame), len(regular)
        )
    return regular


def _refuse(path: Path, row: int, values: pd.Series, *, rule: str) -> NoReturn:
    line = row + 1 + _HEADER_LINES
    raise DataContractError(f"{path}, line {line}: {values.iloc[row]!r}", rule=rule, row=row, value=values.iloc[row])
