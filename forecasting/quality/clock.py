"""Do the timestamps follow the series' clock? Habits keep local time, so a wrong offset shows in the daily shape."""

import numpy as np
import pandas as pd

from forecasting.contracts import LOAD
from forecasting.quality.engine import skipped, verdict
from forecasting.quality.results import CheckResult
from forecasting.quality.window import CheckedWindow

MAX_SHIFT_HOURS = 3
MIN_SHIFT_HOURS = 1
MIN_SPAN_WEEKS = 2
MAX_SPAN_WEEKS = 3


def clock_shift(window: CheckedWindow) -> CheckResult:
    """At no time does the daily shape of the weeks after look like that of the weeks before, moved by an hour or more.

    A source that ignores daylight saving, or applies it twice, moves its days by one hour at the change. The median
    working day of up to three weeks on either side of each Monday, by local clock and standardised, is compared at lags
    up to three hours; a lag that explains much more than no lag is reported. The reference's last weeks come before the
    window's. It is a hint, and for a person to judge: seasons and holidays move people's days too.
    """
    profiles = _weekly_profiles(window.load, timezone=window.timezone)
    if window.reference is not None:
        earlier = _weekly_profiles(window.reference[LOAD], timezone=window.timezone)
        profiles = pd.concat([earlier.iloc[-MAX_SPAN_WEEKS:], profiles]).dropna(axis=1)
    span = min(MAX_SPAN_WEEKS, len(profiles) // 2)
    if span < MIN_SPAN_WEEKS:
        needed = 2 * MIN_SPAN_WEEKS
        message = f"{len(profiles)} full weeks; {needed} are needed to compare"
        return skipped("clock_shift", severity="warning", message=message)
    limit, steps_per_hour = window.settings.shift_improvement, round(1 / window.hours_per_step)
    found = []
    mondays = range(span, len(profiles) - span + 1)
    for monday in mondays:
        before = profiles.iloc[monday - span : monday].median().to_numpy()
        after = profiles.iloc[monday : monday + span].median().to_numpy()
        lag, error = _best_shift(before, after, steps_per_hour=steps_per_hour)
        if lag and error < limit:
            found.append((error, profiles.index[monday], lag / steps_per_hour))
    facts = ""
    if found:
        error, week, hours = min(found)
        facts = (
            f"the weeks from {week:%Y-%m-%d} on look like those before moved by {hours:+g} h (error {error:.0%} of the "
            f"unmoved; below {limit:.0%} is reported): daylight saving or a timezone may be handled wrongly; "
        )
    return verdict(
        "clock_shift",
        failed=bool(found),
        severity="warning",
        value=len(found),
        threshold=0,
        message=f"{facts}at {len(found)} of {len(mondays)} Mondays the days move by the clock of {window.timezone}; "
        "at none may they",
    )


def _weekly_profiles(load: pd.Series, *, timezone: str) -> pd.DataFrame:
    """One row per local week (its Monday) with at least three working days, one column per local time of day."""
    local = pd.DatetimeIndex(load.index).tz_convert(timezone)
    day = pd.DatetimeIndex(local.tz_localize(None)).normalize()
    table = pd.DataFrame(
        {
            "week": day - pd.to_timedelta(day.dayofweek, unit="D"),
            "minute": local.hour * 60 + local.minute,
            "load": load.to_numpy(),
            # Transition days mix two offsets, so the change is looked for between whole weeks.
            "working": day.dayofweek < 5,
        }
    )
    table = table[table["working"] & table["load"].notna()]
    cells = table.groupby(["week", "minute"])["load"].agg(["mean", "count"])
    profiles = cells["mean"].where(cells["count"] >= 3).reset_index().pivot_table("mean", "week", "minute").dropna()
    centred = profiles.sub(profiles.mean(axis=1), axis=0)
    spread = centred.std(axis=1)
    return centred[spread > 0].div(spread[spread > 0], axis=0)


def _best_shift(before: np.ndarray, now: np.ndarray, *, steps_per_hour: int) -> tuple[int, float]:
    """Lag in steps (positive: now is later) that fits best, 0 below one hour, and its error as share of lag 0's."""
    reach = MAX_SHIFT_HOURS * steps_per_hour
    errors = {lag: float(np.mean((np.roll(before, lag) - now) ** 2)) ** 0.5 for lag in range(-reach, reach + 1)}
    best = min(errors, key=lambda lag: (errors[lag], abs(lag)))
    if abs(best) < MIN_SHIFT_HOURS * steps_per_hour or errors[0] == 0:
        return 0, 1.0
    return best, errors[best] / errors[0]


def daylight_saving_days(window: CheckedWindow) -> CheckResult:
    """On days when the clocks change, no hour is missing at the change.

    A source in local time without offsets cannot tell the repeated hour of autumn from the first one and loses it, or
    makes up one for the hour that spring skips.
    """
    load = window.load
    offsets = pd.Series(
        [time.utcoffset() for time in pd.DatetimeIndex(load.index).tz_convert(window.timezone)], index=load.index
    )
    changes = offsets.index[offsets.ne(offsets.shift()) & offsets.shift().notna()]
    hour = pd.Timedelta(hours=1)
    broken = [
        change
        for change in changes
        if load[change - hour : change + hour - window.resolution].isna().any()
        and load[change - 3 * hour : change - hour - window.resolution].notna().all()
        and load[change + hour : change + 3 * hour - window.resolution].notna().all()
    ]
    facts = f"loads are missing only around the change of {window.local(broken[0])}; " if broken else ""
    return verdict(
        "daylight_saving_days",
        failed=bool(broken),
        severity="warning",
        value=len(broken),
        threshold=0,
        message=f"{facts}{len(broken)} of {len(changes)} clock changes in {window.timezone} lose an hour; none may",
    )


CHECKS = (clock_shift, daylight_saving_days)
