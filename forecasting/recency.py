"""What the last hours and days say about the next ones: linear, for each lead time, by the hour of the origin.

The residuals of a calendar-and-weather regression still go together: a warm evening is followed by a warm night. For
each hour of the day at which a forecast may start, a ridge regression carries the residuals of the last day, of the
same day a week ago and their means over up to four weeks to each hour ahead. Multivariate, hour by hour, as in the
models of Ziel & Weron (2018), with the recency effect of Wang, Liu & Hong (2016). Neighbouring hours of origin lend
each other their samples.
"""

from dataclasses import dataclass

import numpy as np

from forecasting.grid import Grid, Running

_HOURS_BACK = 24
_MEAN_DAYS = (1, 2, 3, 7, 14, 28)
_LEVEL_DAYS = 7
CONTEXT_DAYS = 29
_NEIGHBOUR_WIDTH = 1.5
_NEIGHBOURS = 3
_FEWEST_ORIGINS = 24
_REFERENCE_DAYS = 730


class Residuals:
    """What a regression leaves on a grid, `values` (n,) with NaN where unknown, and its running means.

    `anchored`: the means of the last seven days at the same time are taken off first, so that a forecast falls back to
    the level of the last week instead of that of the years.
    """

    def __init__(self, grid: Grid, values: np.ndarray, *, anchored: bool) -> None:
        self.grid = grid
        self.values = values
        self.anchored = anchored
        self.running = Running.of(values)
        self._hourly = self.running.mean(np.arange(len(values) + 1), grid.steps_per_hour)
        self._week = _same_time_mean(values, grid.steps_per_day) if anchored else np.zeros(len(values))

    def hour_before(self, ends: np.ndarray) -> np.ndarray:
        """Mean of the hour before each end; NaN where it is unknown, and before the axis."""
        return self._hourly[np.maximum(ends, 0)]

    def anchor(self, origins: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """The mean at the time of day of each target over the seven days before its origin."""
        day = self.grid.steps_per_day
        source = targets - (1 + (targets - origins) // day) * day
        return np.where(source >= 0, self._week[np.maximum(source, 0)], 0.0)

    def inputs(self, origins: np.ndarray) -> np.ndarray:
        """What is known at each origin: (n, p), the last column is one."""
        hour, day = self.grid.steps_per_hour, self.grid.steps_per_day
        back = origins[:, None] - hour * np.arange(_HOURS_BACK)
        week_ago = origins[:, None] - 7 * day + hour * np.arange(1, _HOURS_BACK + 1)
        means = [self.running.mean(origins, days * day) for days in _MEAN_DAYS]
        level = np.nan_to_num(means[_MEAN_DAYS.index(_LEVEL_DAYS)])[:, None]
        table = np.concatenate([self.hour_before(back), self.hour_before(week_ago), np.stack(means, axis=-1)], axis=1)
        table = np.where(np.isfinite(table), table, level)
        if self.anchored:
            table = table - level
        return np.concatenate([table, np.ones((len(origins), 1))], axis=1)


@dataclass(frozen=True)
class Recency:
    """Coefficients by hour of the origin, input and hour ahead, (24, p, hours) float32; inputs are over `scale`."""

    coefficients: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(cls, residuals: Residuals, *, end: int, hours: int, ridge: float) -> "Recency":
        """Learn from the origins whose hours ahead all lie before `end`.

        Args:
            residuals: of the regression that was trained before `end`.
            end: position of the first interval that is not to be learned from.
            hours: to learn to look ahead; fewer where the history is short.
            ridge: penalty per origin on standardised inputs for two years of history; more for less.
        """
        grid = residuals.grid
        hour, day = grid.steps_per_hour, grid.steps_per_day
        on_the_hour = np.flatnonzero(grid.clock.minute_of_day[:end] % 60 == 0)
        first = min(CONTEXT_DAYS, max(7, end // day // 3)) * day
        hours = min(hours, max(1, (end - first) // hour // 2))
        origins = on_the_hour[(on_the_hour >= first) & (on_the_hour + hours * hour <= end)]
        ahead = origins[:, None] + hour * np.arange(hours)
        change = residuals.hour_before(ahead + hour) - residuals.anchor(origins[:, None], ahead)
        # Origins that look into a gap say little; short gaps count as no change.
        whole = np.isfinite(change).mean(axis=1) > 0.8
        origins, change = origins[whole], np.nan_to_num(change[whole])
        table = residuals.inputs(origins)
        if len(origins) < _FEWEST_ORIGINS:
            return cls(np.zeros((24, table.shape[1], hours), dtype="float32"), np.ones(table.shape[1] - 1))
        spread = table[:, :-1].std(axis=0)
        scale = np.where(spread > 0, spread, 1.0)
        table[:, :-1] /= scale
        penalty = min(1.0, ridge * _REFERENCE_DAYS / max(1, end // day))
        local_hour = grid.clock.minute_of_day[origins] // 60
        samples = [(table[local_hour == number], change[local_hour == number]) for number in range(24)]
        # What an hour learns from its neighbours is the sum of theirs, weighted: each hour is worked out once.
        away = np.abs((np.arange(24)[:, None] - np.arange(24) + 12) % 24 - 12)
        weight = np.where(away <= _NEIGHBOURS, np.exp(-0.5 * (away / _NEIGHBOUR_WIDTH) ** 2), 0.0)
        gram = np.tensordot(weight, np.stack([inputs.T @ inputs for inputs, _ in samples]), axes=1)
        moment = np.tensordot(weight, np.stack([inputs.T @ ahead for inputs, ahead in samples]), axes=1)
        size = weight @ np.array([len(inputs) for inputs, _ in samples])
        diagonal = np.full((24, table.shape[1]), penalty) * size[:, None]
        if not residuals.anchored:
            diagonal[:, -1] = 1e-6 * size
        gram += (diagonal + 1e-9)[:, :, None] * np.eye(table.shape[1])
        return cls(np.linalg.solve(gram, moment).astype("float32"), scale)

    def carried(self, residuals: Residuals, origins: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """The residual to expect at each target, as known at its origin, (n,); the pairs in any order."""
        grid = residuals.grid
        unique, which = np.unique(origins, return_inverse=True)
        order = np.argsort(grid.clock.minute_of_day[unique] // 60, kind="stable")
        rank = np.empty(len(unique), dtype=int)
        rank[order] = np.arange(len(unique))
        table = residuals.inputs(unique[order])
        table[:, :-1] /= self.scale
        local_hour = grid.clock.minute_of_day[unique[order]] // 60
        hourly = np.empty((len(unique), self.coefficients.shape[2]), dtype="float32")
        for number in np.unique(local_hour):
            rows = local_hour == number
            hourly[rows] = table[rows] @ self.coefficients[number]
        lead = (targets - origins + 0.5) / grid.steps_per_hour - 0.5
        below = np.floor(lead).astype(int)
        share = lead - below
        row = rank[which]
        last = hourly.shape[1] - 1
        at_below, at_above = (hourly[row, _repeat_days(hours, last)] for hours in (below, below + 1))
        return (1 - share) * at_below + share * at_above + residuals.anchor(origins, targets)


def _repeat_days(hours: np.ndarray, last: int) -> np.ndarray:
    """Hours ahead beyond the last learned one take the same hour of the last learned day."""
    beyond = np.maximum(hours - last, 0)
    return np.clip(hours - 24 * -(-beyond // 24), 0, last)


def _same_time_mean(values: np.ndarray, per_day: int) -> np.ndarray:
    """Mean of the known values at this time on this and the six days before, (n,); zero where none is known."""
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)
    total, count = np.zeros(len(values)), np.zeros(len(values))
    for days in range(_LEVEL_DAYS):
        shift = days * per_day
        if shift >= len(values):
            break
        total[shift:] += filled[: len(values) - shift]
        count[shift:] += known[: len(values) - shift]
    return total / np.maximum(count, 1)
