"""Where hyper-parameters are searched: the ranges of each kind, in one place."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from forecasting.errors import SettingsError

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Range:
    """From `low` to `high`, both included; of whole numbers where both are whole. `log`: by orders of magnitude."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low <= self.high or (self.log and self.low <= 0):
            above = " and lie above 0" if self.log else ""
            raise SettingsError(f"range from {self.low!r} to {self.high!r} must not fall{above}")

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    def including(self, value: float) -> "Range":
        """The range, widened where it does not hold `value`; a logarithmic one becomes linear to hold zero."""
        # Whole numbers stay so only together.
        kind = int if self.whole and isinstance(value, int) else float
        return Range(kind(min(self.low, value)), kind(max(self.high, value)), log=self.log and value > 0)

    def suggest(self, trial: "optuna.Trial", name: str) -> float:
        """Let a trial's sampler choose a value."""
        if self.whole:
            return trial.suggest_int(name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


SPACES: Mapping[str, Mapping[str, Range]] = {
    "gradient_boosting": {
        "trees": Range(100, 1000, log=True),
        "learning_rate": Range(0.01, 0.2, log=True),
        "leaves": Range(4, 63, log=True),
        "smallest_leaf": Range(20, 500, log=True),
        "feature_share": Range(0.3, 1.0),
        "row_share": Range(0.5, 1.0),
        "l2": Range(0.1, 100.0, log=True),
    },
    "arima": {
        "daily_harmonics": Range(3, 14),
        "yearly_harmonics": Range(0, 6),
        "ridge": Range(1e-3, 10.0, log=True),
    },
    "regression": {
        "daily_harmonics": Range(4, 14),
        "yearly_harmonics": Range(0, 6),
        "ridge": Range(0.1, 100.0, log=True),
        "recency_ridge": Range(0.005, 0.5, log=True),
    },
    "recursive_boosting": {
        "trees": Range(100, 600, log=True),
        "learning_rate": Range(0.02, 0.15, log=True),
        "leaves": Range(7, 63, log=True),
        "smallest_leaf": Range(10, 200, log=True),
    },
    "exponential_smoothing": {
        "window_days": Range(60, 365, log=True),
        "reversion_days": Range(1.0, 14.0, log=True),
    },
    "lstm": {
        "units": Range(16, 96, log=True),
        "decoder_units": Range(32, 128, log=True),
        "learning_rate": Range(3e-4, 5e-3, log=True),
    },
}


def tunable_kinds() -> tuple[str, ...]:
    """The kinds whose hyper-parameters can be searched."""
    return tuple(SPACES)


def search_space(kind: str) -> dict[str, Range]:
    """The ranges of a kind by hyper-parameter.

    Raises:
        SettingsError: nothing is searched for this kind.
    """
    if kind not in SPACES:
        raise SettingsError(f"{kind} has no hyper-parameters to tune; those that have some: {', '.join(SPACES)}")
    return dict(SPACES[kind])
