"""Are the rows all there, once, in order, and recent enough?"""

import pandas as pd

from forecasting.quality.engine import verdict
from forecasting.quality.results import CheckResult
from forecasting.quality.window import CheckedWindow, longest_run


def timestamps_unique(window: CheckedWindow) -> CheckResult:
    """Each timestamp occurs once."""
    repeated = window.history.index[window.history.index.duplicated()]
    facts = f"{window.local(repeated[0])} is the first to occur again; " if len(repeated) else ""
    return verdict(
        "timestamps_unique",
        failed=len(repeated) > 0,
        severity="fatal",
        value=len(repeated),
        threshold=0,
        message=f"{facts}{len(repeated)} of {len(window.history)} rows repeat a timestamp; none may",
    )


def timestamps_ordered(window: CheckedWindow) -> CheckResult:
    """Timestamps never go back."""
    steps = window.history.index.to_series().diff()
    backwards = steps[steps < pd.Timedelta(0)]
    facts = f"{window.local(backwards.index[0])} comes after a later row; " if len(backwards) else ""
    return verdict(
        "timestamps_ordered",
        failed=len(backwards) > 0,
        severity="fatal",
        value=len(backwards),
        threshold=0,
        message=f"{facts}{len(backwards)} rows are earlier than the row before them; none may be",
    )


def timestamps_on_grid(window: CheckedWindow) -> CheckResult:
    """Every timestamp is a whole number of steps from midnight UTC."""
    index = pd.DatetimeIndex(window.history.index)
    off = index[index.floor(window.resolution) != index]
    minutes = window.resolution / pd.Timedelta(minutes=1)
    facts = f"{off[0]} is the first off the grid; " if len(off) else ""
    return verdict(
        "timestamps_on_grid",
        failed=len(off) > 0,
        severity="fatal",
        value=len(off),
        threshold=0,
        message=f"{facts}{len(off)} of {len(index)} rows lie off the grid of {minutes:g} minutes; none may",
    )


def missing_share(window: CheckedWindow) -> CheckResult:
    """Share of intervals without a load, from the first to the last row."""
    load, limit = window.load, window.settings.max_missing_share
    missing = int(load.isna().sum())
    share = missing / len(load)
    return verdict(
        "missing_share",
        failed=share > limit,
        severity="fatal",
        value=round(share, 6),
        threshold=limit,
        message=f"{missing} of {len(load)} intervals from {window.local(load.index[0])} to "
        f"{window.local(load.index[-1])} have no load ({share:.2%}); at most {limit:.2%} may",
    )


def longest_gap(window: CheckedWindow) -> CheckResult:
    """Longest run of intervals without a load."""
    steps, start = longest_run(window.load.isna())
    hours, limit = steps * window.hours_per_step, window.settings.max_gap_hours
    since = f", from {window.local(start)} on" if start is not None else ""
    return verdict(
        "longest_gap",
        failed=hours > limit,
        severity="warning",
        value=hours,
        threshold=limit,
        message=f"the longest gap is {hours:g} h{since}; at most {limit:g} h are allowed",
    )


def freshness(window: CheckedWindow) -> CheckResult:
    """Age of the newest load at `as_of`."""
    limit = window.settings.max_age_hours
    known = window.load.dropna()
    if known.empty:
        return verdict(
            "freshness",
            failed=True,
            severity="fatal",
            value=None,
            threshold=limit,
            message=f"no load is known as of {window.local(window.as_of)}",
        )
    end = known.index[-1] + window.resolution
    hours = (window.as_of - end) / pd.Timedelta(hours=1)
    return verdict(
        "freshness",
        failed=hours > limit,
        severity="fatal",
        value=round(hours, 3),
        threshold=limit,
        message=f"the last load ends at {window.local(end)}, {hours:g} h before {window.local(window.as_of)}; "
        f"at most {limit:g} h are allowed",
    )


def nothing_after_as_of(window: CheckedWindow) -> CheckResult:
    """No observed interval ends after `as_of`: nobody can have measured it yet."""
    known = window.load.dropna()
    early = known.index[known.index > window.as_of - window.resolution]
    facts = f"{window.local(early[0])} is the first; " if len(early) else ""
    return verdict(
        "nothing_after_as_of",
        failed=len(early) > 0,
        severity="fatal",
        value=len(early),
        threshold=0,
        message=f"{facts}{len(early)} loads belong to intervals that end after {window.local(window.as_of)}; none may",
    )


CHECKS = (
    timestamps_unique,
    timestamps_ordered,
    timestamps_on_grid,
    missing_share,
    longest_gap,
    freshness,
    nothing_after_as_of,
)
