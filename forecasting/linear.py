"""Ridge regression on named columns, bounded outside what it has seen.

Hoerl & Kennard (1970). A linear model extrapolates without limit: a temperature in kelvin, or a bend in the weather
that the training hardly reached, would give absurd loads. So every column is held within the range of the training,
with a tenth of it as a margin on either side.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

_MARGIN = 0.1
_LEAST_PENALTY = 1e-9


@dataclass(frozen=True)
class Design:
    """Named columns, standardised by the rows to learn from, and their Gram matrix: once for all targets on them.

    `mean`, `scale`, `low` and `high` are (f,), in the order of `names`; `table` is (n, f) standardised, of which `rows`
    are learned from; `root` is the Cholesky factor of the penalised Gram matrix.
    """

    names: list[str]
    mean: np.ndarray
    scale: np.ndarray
    low: np.ndarray
    high: np.ndarray
    table: np.ndarray
    rows: np.ndarray | slice
    root: np.ndarray

    @classmethod
    def of(cls, columns: Mapping[str, np.ndarray], rows: np.ndarray, *, penalty: float) -> "Design":
        """Prepare n rows to learn from some of them.

        Args:
            columns: each (n,), NaN where unknown.
            rows: positions to learn from, increasing.
            penalty: on the squared standardised coefficients, per row.
        """
        whole = len(rows) > 0 and int(rows[-1]) - int(rows[0]) + 1 == len(rows)
        taken: np.ndarray | slice = slice(int(rows[0]), int(rows[-1]) + 1) if whole else rows
        table = np.column_stack(list(columns.values()))
        taught = table[taken]
        known = np.isfinite(taught)
        mean, spread = known_moments(taught)
        low = np.where(known, taught, np.inf).min(axis=0, initial=np.inf)
        high = np.where(known, taught, -np.inf).max(axis=0, initial=-np.inf)
        seen = np.isfinite(low) & (spread > 1e-9 * np.maximum(np.abs(mean), 1.0))
        margin = np.where(seen, _MARGIN * (high - low), 0.0)
        # A column that stands still says nothing, and must not when it moves one day.
        scale = np.where(seen, spread, np.inf)
        low, high = np.where(seen, low - margin, mean), np.where(seen, high + margin, mean)
        table = _standard(table, mean=mean, scale=scale, low=low, high=high)
        taught = table[taken]
        gram = taught.T @ taught / len(taught) + max(penalty, _LEAST_PENALTY) * np.eye(table.shape[1])
        return cls(list(columns), mean, scale, low, high, table, taken, np.linalg.cholesky(gram))


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
    def fit(cls, target: np.ndarray, design: Design) -> tuple["Ridge", np.ndarray]:
        """Learn the target (n,), finite at the design's rows; return the regression and its fitted values, (n,)."""
        from scipy.linalg import cho_solve

        taught = target[design.rows]
        intercept = float(taught.mean())
        moment = design.table[design.rows].T @ (taught - intercept) / len(taught)
        coefficients = cho_solve((design.root, True), moment)
        fitted = intercept + design.table @ coefficients
        model = cls(
            names=design.names,
            mean=design.mean,
            scale=design.scale,
            low=design.low,
            high=design.high,
            coefficients=coefficients,
            intercept=intercept,
        )
        return model, fitted

    def explain(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """The fitted values at n rows, (n,)."""
        return self.intercept + self._standard(self._table(columns)) @ self.coefficients

    def contributions(self, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What each column adds to the intercept, (n,) each."""
        return dict(zip(self.names, (self._standard(self._table(columns)) * self.coefficients).T, strict=True))

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

    def _table(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        length = len(next(iter(columns.values())))
        return np.column_stack([columns[name] if name in columns else np.zeros(length) for name in self.names])

    def _standard(self, table: np.ndarray) -> np.ndarray:
        return _standard(table, mean=self.mean, scale=self.scale, low=self.low, high=self.high)


def known_moments(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the known values of each column of a table (n, f), (f,) each; zero if none is."""
    known = np.isfinite(table)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, table, 0.0).sum(axis=0) / count
    return mean, np.sqrt((np.where(known, table - mean, 0.0) ** 2).sum(axis=0) / count)


def _standard(
    table: np.ndarray, *, mean: np.ndarray, scale: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    standard: np.ndarray = np.clip(table, low, high)
    standard -= mean
    standard /= scale
    standard[np.isnan(standard)] = 0.0
    return standard
