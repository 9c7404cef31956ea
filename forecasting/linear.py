"""Ridge regression on named columns, bounded outside what it has seen.

Hoerl & Kennard (1970). A linear model extrapolates without limit: a temperature in kelvin, or a bend in the weather
that the training hardly reached, would give absurd loads. So every column is held within the range of the training,
with a tenth of it as a margin on either side.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

_MARGIN = 0.1


@dataclass(frozen=True)
class Ridge:
    """Coefficients on standardised columns; unknown values count as the mean, missing columns too.

    `mean`, `scale`, `low`, `high` and `coefficients` are (f,), in the order of `names`.
    """

    names: list[str]
    mean: np.ndarray
    scale: np.ndarray
    low: np.ndarray
    high: np.ndarray
    coefficients: np.ndarray
    intercept: float

    @classmethod
    def fit(cls, target: np.ndarray, columns: Mapping[str, np.ndarray], *, penalty: float) -> "Ridge":
        """Learn from n rows.

        Args:
            target: (n,), all finite.
            columns: each (n,), NaN where unknown.
            penalty: on the squared standardised coefficients, per row.
        """
        table = np.column_stack(list(columns.values()))
        known = np.isfinite(table)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, table, 0.0).sum(axis=0) / count
        spread = np.sqrt((np.where(known, table - mean, 0.0) ** 2).sum(axis=0) / count)
        low = np.where(known, table, np.inf).min(axis=0, initial=np.inf)
        high = np.where(known, table, -np.inf).max(axis=0, initial=-np.inf)
        seen = np.isfinite(low) & (spread > 1e-9 * np.maximum(np.abs(mean), 1.0))
        margin = np.where(seen, _MARGIN * (high - low), 0.0)
        model = cls(
            names=list(columns),
            mean=mean,
            # A column that stands still says nothing, and must not when it moves one day.
            scale=np.where(seen, spread, np.inf),
            low=np.where(seen, low - margin, mean),
            high=np.where(seen, high + margin, mean),
            coefficients=np.zeros(len(mean)),
            intercept=float(target.mean()),
        )
        standard = model._standard(table)
        gram = standard.T @ standard / len(target) + penalty * np.eye(standard.shape[1])
        moment = standard.T @ (target - model.intercept) / len(target)
        model.coefficients[:] = np.linalg.solve(gram, moment)
        return model

    def explain(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """The fitted values at n rows, (n,)."""
        length = len(next(iter(columns.values())))
        table = np.column_stack([columns[name] if name in columns else np.zeros(length) for name in self.names])
        return self.intercept + self._standard(table) @ self.coefficients

    def contributions(self, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What each column adds to the intercept, (n,) each."""
        length = len(next(iter(columns.values())))
        table = np.column_stack([columns[name] if name in columns else np.zeros(length) for name in self.names])
        return dict(zip(self.names, (self._standard(table) * self.coefficients).T, strict=True))

    def arrays(self) -> dict[str, np.ndarray]:
        """The numbers, for a file; `restored` takes them back, with the names."""
        return {
            "mean": self.mean,
            "scale": self.scale,
            "low": self.low,
            "high": self.high,
            "coefficients": self.coefficients,
            "intercept": np.array(self.intercept),
        }

    @classmethod
    def restored(cls, names: list[str], arrays: Mapping[str, np.ndarray]) -> "Ridge":
        """Take back what `arrays` gave."""
        numbers = {name: arrays[name] for name in ("mean", "scale", "low", "high", "coefficients")}
        return cls(names=names, **numbers, intercept=float(arrays["intercept"]))

    def _standard(self, table: np.ndarray) -> np.ndarray:
        return np.nan_to_num((np.clip(table, self.low, self.high) - self.mean) / self.scale)
