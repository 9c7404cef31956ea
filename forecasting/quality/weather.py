"""Is the temperature one that thermometers show?"""

from forecasting.quality.engine import Check, skipped, verdict
from forecasting.quality.results import CheckResult
from forecasting.quality.window import CheckedWindow, longest_run

NO_TEMPERATURE = "the history has no temperature"


def temperature_plausible(window: CheckedWindow) -> CheckResult:
    """Temperatures lie within what is measured on Earth; a high median hints at Fahrenheit, a huge one at Kelvin."""
    temperature = window.temperature
    if temperature is None:
        return skipped("temperature_plausible", severity="warning", message=NO_TEMPERATURE)
    low, high = window.settings.min_temperature_c, window.settings.max_temperature_c
    outside = temperature[(temperature < low) | (temperature > high)]
    facts = ""
    if len(outside):
        facts = f"{outside.iloc[0]:g} °C at {window.local(outside.index[0])} is the first; "
        median = float(temperature.median())
        if median > high:
            facts += f"a median of {median:.0f} hints at {'Kelvin' if median > 200 else 'Fahrenheit'}; "
    return verdict(
        "temperature_plausible",
        failed=len(outside) > 0,
        severity="warning",
        value=len(outside),
        threshold=0,
        message=f"{facts}{len(outside)} of {len(temperature)} temperatures lie outside {low:g} to {high:g} °C",
    )


def temperature_missing_share(window: CheckedWindow) -> CheckResult:
    """Share of intervals without a temperature."""
    temperature = window.temperature
    if temperature is None:
        return skipped("temperature_missing_share", severity="warning", message=NO_TEMPERATURE)
    limit, missing = window.settings.max_temperature_missing_share, int(temperature.isna().sum())
    share = missing / len(temperature)
    return verdict(
        "temperature_missing_share",
        failed=share > limit,
        severity="warning",
        value=round(share, 6),
        threshold=limit,
        message=f"{missing} of {len(temperature)} intervals have no temperature ({share:.2%}); at most {limit:.2%} may",
    )


def temperature_frozen(window: CheckedWindow) -> CheckResult:
    """One temperature for a day: the thermometer or its feed is frozen."""
    temperature = window.temperature
    if temperature is None:
        return skipped("temperature_frozen", severity="warning", message=NO_TEMPERATURE)
    limit = window.settings.max_temperature_frozen_hours
    steps, start = longest_run(temperature.diff() == 0)
    hours = (steps + 1) * window.hours_per_step if steps else 0.0
    since = ""
    if start is not None:
        since = f" ({temperature[start]:g} °C from {window.local(start - window.resolution)} on)"
    return verdict(
        "temperature_frozen",
        failed=hours > limit,
        severity="warning",
        value=hours,
        threshold=limit,
        message=f"the longest run of one temperature is {hours:g} h{since}; at most {limit:g} h are allowed",
    )


CHECKS: tuple[Check, ...] = (temperature_plausible, temperature_missing_share, temperature_frozen)
