"""Weights of an ensemble from out-of-sample paths, per block of lead time.

Bates & Granger (1969) and Granger & Ramanathan (1984), with weights that are not negative and sum to one, drawn a
little towards equal ones, since estimated weights often lose to equal ones (Smith & Wallis, 2009).
"""

from dataclasses import dataclass

import numpy as np

_EDGES_HOURS = (0.0, 6.0, 24.0, 48.0, 96.0, 168.0)
_FEWEST = 60


@dataclass(frozen=True)
class Weights:
    """Weights of m members, (b, m), at `centres_hours` (b,) of lead time; in between they are interpolated."""

    centres_hours: np.ndarray
    shares: np.ndarray

    @classmethod
    def fit(
        cls, paths: np.ndarray, actual: np.ndarray, *, minutes: int, shrinkage: float, tolerance: float
    ) -> "Weights":
        """Choose weights by the squared error of the combination.

        Args:
            paths: (m, origins, steps) out-of-sample forecasts in MW.
            actual: (origins, steps) loads, NaN where unknown.
            minutes: of an interval.
            shrinkage: towards equal weights, relative to the mean squared error of the members.
            tolerance: members whose mean absolute error in a block is more than this many times the least are left out.
        """
        hours = np.arange(paths.shape[2]) * minutes / 60
        edges = [edge for edge in _EDGES_HOURS if edge < hours[-1] + minutes / 60]
        centres: list[float] = []
        chosen: list[np.ndarray] = []
        for start, end in zip(edges, [*edges[1:], np.inf], strict=True):
            inside = (hours >= start) & (hours < end)
            errors = (paths - actual)[:, :, inside].reshape(len(paths), -1)
            errors = errors[:, np.isfinite(errors).all(axis=0)]
            if errors.shape[1] < _FEWEST and chosen:
                continue
            centres.append(float(hours[inside].mean()))
            chosen.append(_simplex(errors, shrinkage=shrinkage, tolerance=tolerance))
        return cls(np.array(centres), np.array(chosen))

    def reserving(self, member: int, share: float) -> "Weights":
        """Weights that give one member a share beforehand; the others and it divide the rest as they did."""
        shares = (1 - share) * self.shares
        shares[:, member] += share
        return Weights(self.centres_hours, shares)

    def at(self, lead_hours: np.ndarray) -> np.ndarray:
        """Weights at n lead times, (m, n); beyond the outer blocks those of the block."""
        return np.stack([np.interp(lead_hours, self.centres_hours, column) for column in self.shares.T])


def combined(paths: np.ndarray, weights: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    """The weighted mean of (m, origins, steps) paths by weights (m, steps), of those that are finite.

    Where none is, what `otherwise` (origins, steps) says.
    """
    finite = np.isfinite(paths)
    share = np.where(finite, weights[:, None, :], 0.0)
    total = share.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (np.where(finite, paths, 0.0) * share).sum(axis=0) / total
    return np.where(total > 0, mean, otherwise)


def _simplex(errors: np.ndarray, *, shrinkage: float, tolerance: float) -> np.ndarray:
    """Weights (m,) that minimise the mean squared weighted error, not negative and summing to one."""
    from scipy.optimize import nnls

    number = len(errors)
    if errors.shape[1] == 0:
        return np.full(number, 1 / number)
    size = np.abs(errors).mean(axis=1)
    kept = np.flatnonzero(size <= tolerance * size.min())
    gram = errors[kept] @ errors[kept].T / errors.shape[1]
    usual = float(np.trace(gram)) / len(kept)
    weights = np.zeros(number)
    if not usual > 0:
        weights[kept] = 1 / len(kept)
        return weights
    gram = gram / usual + (shrinkage + 1e-9) * np.eye(len(kept))
    root = np.linalg.cholesky(gram)
    aim = np.linalg.solve(root, np.full(len(kept), shrinkage / len(kept)))
    # A heavy last row holds the sum at one.
    heavy = 1e3
    solution, _ = nnls(np.vstack([root.T, np.full(len(kept), heavy)]), np.append(aim, heavy))
    weights[kept] = solution / solution.sum()
    return weights
