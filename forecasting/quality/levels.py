"""Are the loads such as this series has?"""

import numpy as np
import pandas as pd

from forecasting.contracts import LOAD
from forecasting.quality.engine import skipped, verdict
from forecasting.quality.results import CheckResult, Severity
from forecasting.quality.window import CheckedWindow, longest_run

GAUSSIAN_MAD = 1.4826  # median absolute deviation to standard deviation under a normal distribution
STEP_DAYS = 7  # a day is compared with the median of this many before it


def load_positive(window: CheckedWindow) -> CheckResult:
    """The demand of a region is above zero; zero is what a broken meter or a filled gap reads."""
    if window.settings.allows_export:
        return skipped("load_positive", severity="fatal", message="the series allows export: the load may be negative")
    low = window.load[window.load <= 0]
    facts = f"{low.iloc[0]:g} MW at {window.local(low.index[0])} is the first; " if len(low) else ""
    return verdict(
        "load_positive",
        failed=len(low) > 0,
        severity="fatal",
        value=len(low),
        threshold=0,
        message=f"{facts}{len(low)} of {len(window.load)} loads are zero or negative; none may be",
    )


def load_in_range(window: CheckedWindow) -> CheckResult:
    """Loads stay within the median ± a number of interquartile ranges, of the reference where there is one.

    Quartiles barely move with a few bad values (Tukey, Exploratory Data Analysis, 1977).
    """
    basis = window.load if window.reference is None else window.reference[LOAD]
    low_quartile, median, high_quartile = basis.quantile([0.25, 0.5, 0.75])
    if not high_quartile > low_quartile:
        message = f"the middle half of the loads is {median:g} MW throughout: that gives no range"
        return skipped("load_in_range", severity="fatal", message=message)
    reach = window.settings.range_iqrs * (high_quartile - low_quartile)
    low, high = median - reach, median + reach
    outside = window.load[(window.load < low) | (window.load > high)]
    facts = f"{outside.iloc[0]:g} MW at {window.local(outside.index[0])} is the first; " if len(outside) else ""
    return verdict(
        "load_in_range",
        failed=len(outside) > 0,
        severity="fatal",
        value=len(outside),
        threshold=0,
        message=f"{facts}{len(outside)} of {len(window.load)} loads lie outside {low:.0f} to {high:.0f} MW (median "
        f"{median:.0f} MW ± {window.settings.range_iqrs:g} interquartile ranges); none may",
    )


def level_step(window: CheckedWindow) -> CheckResult:
    """No day's median is many times, or a small part of, that of the days before it: kW for MW, a lost half.

    The first days are compared with the reference's median, where there is a reference.
    """
    limit = window.settings.max_level_ratio
    daily = window.load.resample("D").median()
    before = daily.rolling(STEP_DAYS, min_periods=1).median().shift(1)
    if window.reference is not None:
        before = before.fillna(float(window.reference[LOAD].median()))
    ratios = daily / before.where(before > 0)
    size = ratios.where(ratios >= 1, 1 / ratios.where(ratios > 0))
    if not size.notna().any():
        return skipped("level_step", severity="fatal", message="fewer than two days with positive loads to compare")
    day = size.index[int(np.nanargmax(size.to_numpy()))]
    return verdict(
        "level_step",
        failed=bool(size[day] > limit),
        severity="fatal",
        value=round(float(ratios[day]), 6),
        threshold=limit,
        message=f"the largest step is to {daily[day]:.0f} MW on {day:%Y-%m-%d} (UTC), {ratios[day]:.4g} times the "
        f"{before[day]:.0f} MW before; at most {limit:g} times, or 1/{limit:g}, is allowed",
    )


def _flat(window: CheckedWindow, *, name: str, limit: float, severity: Severity) -> CheckResult:
    load = window.load
    steps, start = longest_run(load.diff() == 0)
    hours = (steps + 1) * window.hours_per_step if steps else 0.0
    facts = ""
    if start is not None:
        facts = f" ({load[start]:g} MW from {window.local(start - window.resolution)} on)"
    return verdict(
        name,
        failed=hours > limit,
        severity=severity,
        value=hours,
        threshold=limit,
        message=f"the longest run of one load is {hours:g} h{facts}; at most {limit:g} h are allowed",
    )


def flatline(window: CheckedWindow) -> CheckResult:
    """Demand never stands still for hours."""
    return _flat(window, name="flatline", limit=window.settings.max_flat_hours, severity="warning")


def frozen_meter(window: CheckedWindow) -> CheckResult:
    """One value for a day: the meter or the feed is frozen."""
    return _flat(window, name="frozen_meter", limit=window.settings.max_frozen_hours, severity="fatal")


def spikes(window: CheckedWindow) -> CheckResult:
    """Single intervals far from the median of their five neighbours.

    The scale is the median absolute deviation, which the spikes themselves do not widen (Hampel, 1974).
    """
    load, settings = window.load, window.settings
    distance = (load - load.rolling(5, center=True, min_periods=3).median()).abs()
    if not distance.notna().any():
        return skipped("spikes", severity="warning", message="no load has two known neighbours to be compared with")
    scale = GAUSSIAN_MAD * float(distance.median())
    limit = max(settings.spike_scales * scale, settings.spike_min_share * abs(float(load.median())))
    found = distance[distance > limit]
    facts = ""
    if len(found):
        worst = found.index[int(found.to_numpy().argmax())]
        facts = f"{load[worst]:g} MW at {window.local(worst)} is {found[worst]:.0f} MW from its neighbours; "
    return verdict(
        "spikes",
        failed=len(found) > 0,
        severity="warning",
        value=len(found),
        threshold=0,
        message=f"{facts}{len(found)} loads are more than {limit:.0f} MW from the median of their neighbours; none may",
    )


def load_is_number(window: CheckedWindow) -> CheckResult:
    """Every load that is given is a finite number."""
    given = window.history[LOAD]
    number = pd.to_numeric(given, errors="coerce")
    bad = given[(number.isna() & given.notna()) | np.isinf(number.astype("float64"))]
    facts = f"{bad.iloc[0]!r} at {window.local(bad.index[0])} is the first; " if len(bad) else ""
    return verdict(
        "load_is_number",
        failed=len(bad) > 0,
        severity="fatal",
        value=len(bad),
        threshold=0,
        message=f"{facts}{len(bad)} of {len(given)} loads are text or infinite; none may be",
    )


CHECKS = (load_is_number, load_positive, load_in_range, level_step, flatline, frozen_meter, spikes)
