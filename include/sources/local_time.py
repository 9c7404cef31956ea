"""Times as sources write them, to UTC: texts with or without an offset, on a clock that is set twice a year.

A local time that comes twice or never is refused, unless the source declares what it stands for.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from include.errors import SourceError
from include.sources.connector import Note
from include.sources.files.order import LATER, UNKNOWN, folds_in_order
from include.sources.rules import Faults

AMBIGUOUS = ("reject", "earlier", "later", "in_order")
NONEXISTENT = ("reject", "shift_forward")
# Written out, because the parser alone also takes "now", and years that overflow once a zone is applied.
_LOCAL = r"(?:18|19|20|21)\d\d-?\d\d-?\d\d(?:[T ]\d\d(?::?\d\d(?::?\d\d(?:[.,]\d{1,9})?)?)?"
_NAIVE = rf"^{_LOCAL})?$"
_WITH_OFFSET = rf"^{_LOCAL}) ?(?:Z|[+-]\d\d(?::?\d\d)?)$"
_USUAL = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)?$"
_FIRST, _END = pd.Timestamp("1800-01-01"), pd.Timestamp("2200-01-01")
_LONGEST = 64
"""Characters of the longest text that is a time, with room to spare."""


def zone_of(name: Any) -> ZoneInfo | None:
    """The zone of a source's local times; None where none is declared.

    Raises:
        SourceError: there is no such zone.
    """
    try:
        return None if name is None else ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError, TypeError, AttributeError) as error:
        raise SourceError(f"time_zone {name!r} is no IANA timezone such as 'Europe/Berlin'") from error


def to_utc(
    texts_or_naive: pd.Series,
    *,
    zone: ZoneInfo | None,
    ambiguous: str = "reject",
    nonexistent: str = "reject",
    folds: pd.Series | None = None,
) -> tuple[pd.Series, Faults, list[Note]]:
    """Times as datetime64[ns, UTC].

    Args:
        texts_or_naive: ISO 8601 texts, with an offset or without, or datetimes; the index is unique.
        zone: of times without an offset; None refuses them (naive_time).
        ambiguous: a local time that comes twice: "reject" (clock_change), "earlier", "later", or "in_order", where the
            order of the rows tells which is which.
        nonexistent: a local time that is skipped: "reject" (clock_change), or "shift_forward" to the next that exists.
        folds: what `include.sources.files.order` made of all rows, where these are only some of them.

    Returns:
        The times, NaT where a rule is broken; rule and message of those, by index; how often a declaration applied.
    """
    if isinstance(texts_or_naive.dtype, pd.DatetimeTZDtype):
        times = _bounded(texts_or_naive.dt.tz_convert("UTC").dt.tz_localize(None)).dt.tz_localize("UTC")
        return times, _not_times(times, texts_or_naive), []
    naive, times = read_naive(texts_or_naive)
    no_time = naive.isna() & times.isna()
    faults = _not_times(times.where(~no_time, pd.NaT)[no_time], texts_or_naive)
    naive = naive.dropna()
    if zone is None:
        faults |= dict.fromkeys(naive.index, ("naive_time", "The time has no offset, and the source declares no zone."))
        return times, faults, []
    local, unclear, notes = _on_the_clock(naive, zone=zone, ambiguous=ambiguous, nonexistent=nonexistent, folds=folds)
    times[local.index] = local
    faults |= dict.fromkeys(
        unclear,
        (
            "clock_change",
            f"On the clock of {zone.key} this time does not exist or comes twice; write it with an offset, "
            "or let the source declare ambiguous and nonexistent.",
        ),
    )
    return times, faults, notes


def read_naive(given: pd.Series) -> tuple[pd.Series, pd.Series]:
    """The local times without their zone (datetime64[ns]), and those with an offset as UTC; NaT everywhere else."""
    times = pd.Series(pd.NaT, index=given.index, dtype="datetime64[ns, UTC]")
    if pd.api.types.is_datetime64_dtype(given.dtype):
        return _bounded(given), times
    array = _texts(given)
    parsed = pd.Series(pd.NaT, index=given.index, dtype="datetime64[ns]")
    naive = pc.match_substring_regex(array, _NAIVE).to_numpy(zero_copy_only=False)
    if naive.any():
        parsed.iloc[np.flatnonzero(naive)] = _parsed(array.filter(pa.array(naive)), utc=False)
    offset = pc.match_substring_regex(array, _WITH_OFFSET).to_numpy(zero_copy_only=False)
    if offset.any():
        times.iloc[np.flatnonzero(offset)] = _parsed(array.filter(pa.array(offset)), utc=True)
    return parsed, times


def _texts(given: pd.Series) -> pa.Array:
    """Trimmed and in capitals; what is no text, or too long for a time, is empty."""
    try:
        array = pa.array(given, type=pa.large_string(), from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        array = pa.array([each if isinstance(each, str) else "" for each in given], type=pa.large_string())
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    array = pc.fill_null(array, "")
    array = pc.if_else(pc.less_equal(pc.binary_length(array), _LONGEST), array, "")
    return pc.ascii_upper(pc.utf8_trim_whitespace(array))


def _parsed(array: pa.Array, *, utc: bool) -> pd.DatetimeIndex:
    """Texts of the one shape or the other; NaT where it is no time all the same, a 30th of February say."""
    if pc.all(pc.match_substring_regex(array, _USUAL)).as_py():
        # Ten times as fast, but takes only the usual ways of writing, and all of them or none.
        with suppress(pa.ArrowInvalid):
            times = array.cast(pa.timestamp("ns", "UTC" if utc else None)).cast(pa.int64()).to_numpy()
            return pd.DatetimeIndex(times.view("datetime64[ns]"), tz="UTC" if utc else None)
    texts = array.to_numpy(zero_copy_only=False)
    return pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=utc).as_unit("ns")


def _bounded(naive: pd.Series) -> pd.Series:
    """As nanoseconds; what they cannot hold is NaT."""
    return naive.where((naive >= _FIRST) & (naive < _END)).dt.as_unit("ns")


def _not_times(times: pd.Series, given: pd.Series) -> Faults:
    empty = times.index[times.isna()]
    return {
        label: ("not_a_time", f"{_short(text)} is no ISO 8601 time such as 2024-12-24T00:00Z.")
        for label, text in given[empty].items()
    }


def _on_the_clock(
    naive: pd.Series, *, zone: ZoneInfo, ambiguous: str, nonexistent: str, folds: pd.Series | None
) -> tuple[pd.Series, list[Any], list[Note]]:
    """UTC of local times, the labels of those that stay unclear, and what was declared about the others."""
    local = naive.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    unclear = naive[local.isna()]
    notes: list[Note] = []
    local = local.dropna().dt.tz_convert("UTC").dt.as_unit("ns")
    if unclear.empty:
        return local, [], notes
    twice = is_twice(unclear, zone=zone)
    never, twice_there = unclear[~twice], unclear[twice]
    parts = [local]
    left: list[Any] = []
    if nonexistent == "shift_forward" and len(never):
        parts.append(never.dt.tz_localize(zone, nonexistent="shift_forward").dt.tz_convert("UTC").dt.as_unit("ns"))
        message = "Local times that do not exist, moved forward to the next that does."
        notes.append(Note("nonexistent", len(never), message))
    else:
        left += never.index.tolist()
    if ambiguous == "reject" or twice_there.empty:
        left += twice_there.index.tolist()
    else:
        later, known = _choices(naive, twice_there, zone=zone, ambiguous=ambiguous, folds=folds)
        chosen = twice_there[known]
        found = chosen.dt.tz_localize(zone, ambiguous=~later[known]).dt.tz_convert("UTC").dt.as_unit("ns")
        parts.append(found)
        left += twice_there.index[~known].tolist()
        if len(chosen):
            how = "by their order" if ambiguous == "in_order" else f"as the {ambiguous}"
            notes.append(Note("ambiguous", len(chosen), f"Local times that come twice, taken {how}."))
    return pd.concat(parts), left, notes


def _choices(
    naive: pd.Series, twice: pd.Series, *, zone: ZoneInfo, ambiguous: str, folds: pd.Series | None
) -> tuple[np.ndarray, np.ndarray]:
    """Which of the times that come twice are the later ones, and of which that is known."""
    if ambiguous != "in_order":
        return np.full(len(twice), ambiguous == "later"), np.ones(len(twice), dtype=bool)
    if folds is None:
        folds = folds_in_order(naive, zone=zone)
    of_these = folds.reindex(twice.index).fillna(UNKNOWN)
    return (of_these == LATER).to_numpy(), (of_these != UNKNOWN).to_numpy()


def is_twice(unclear: pd.Series, *, zone: ZoneInfo) -> np.ndarray:
    """Which of the local times that are unclear come twice; the others never do."""
    earlier = unclear.dt.tz_localize(zone, ambiguous=np.ones(len(unclear), dtype=bool), nonexistent="NaT")
    return earlier.notna().to_numpy()


def _short(text: Any) -> str:
    shown = repr(text) if isinstance(text, str) else str(text)
    return shown if len(shown) <= 200 else f"{shown[:199]}…"
