"""Thresholds of the checks. The defaults hold for the demand of a region; each series may have its own."""

from dataclasses import dataclass, fields

from forecasting.errors import SettingsError


@dataclass(frozen=True, kw_only=True)
class CheckSettings:
    """Thresholds; hours are lengths of time, shares lie between 0 and 1.

    Raises:
        SettingsError: naming the setting that is out of its range.
    """

    allows_export: bool = False  # the load may be zero or negative: generation behind the meter is counted
    max_missing_share: float = 0.05  # fatal above
    max_gap_hours: float = 6.0  # longest run of missing loads
    max_age_hours: float = 36.0  # fatal when the last load is older at as_of
    range_iqrs: float = 8.0  # fatal outside median ± this many interquartile ranges
    max_level_ratio: float = 3.0  # fatal: a day's median is this many times that of the week before, or one part of it
    max_flat_hours: float = 3.0  # longest run of one value
    max_frozen_hours: float = 24.0  # the same, fatal
    spike_scales: float = 20.0  # robust standard deviations of the distance to the neighbours' median
    spike_min_share: float = 0.15  # a spike is at least this share of the median load
    # A move of the clock is reported when it leaves less than this share of the error of no move.
    shift_improvement: float = 0.65
    min_temperature_c: float = -60.0
    max_temperature_c: float = 60.0
    max_temperature_missing_share: float = 0.2
    max_temperature_frozen_hours: float = 24.0
    max_drift: float = 0.4  # Deepchecks: Kolmogorov-Smirnov distance or Cramér's V between reference and window
    max_mean_change: float = 0.5  # whylogs: share by which mean and median of the load may leave the reference's
    max_temperature_change_c: float = 20.0  # whylogs: how far the mean temperature may leave the reference's
    n_samples: int = 10_000  # Deepchecks: rows that a check looks at, drawn with a fixed seed

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or field.name == "min_temperature_c":
                continue
            if not value > 0:
                raise SettingsError(f"{field.name} is {value}; it must be greater than 0")
        for name in ("max_missing_share", "max_temperature_missing_share", "shift_improvement", "max_drift"):
            if getattr(self, name) > 1:
                raise SettingsError(f"{name} is {getattr(self, name)}; it is a share and at most 1")
        if self.max_level_ratio <= 1:
            raise SettingsError(f"max_level_ratio is {self.max_level_ratio}; it must be greater than 1")
        if self.min_temperature_c >= self.max_temperature_c:
            raise SettingsError(f"min_temperature_c {self.min_temperature_c} is not below max_temperature_c")
