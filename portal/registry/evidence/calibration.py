"""How often the load lay below each quantile of the backtest."""

from __future__ import annotations

from portal.registry.evidence.reading import number_of, objects


def calibration_points(evidence: object) -> list[tuple[float, float]]:
    """Points (quantile, share of the loads below it), both in percent, by quantile; empty where there are none."""
    found = []
    for row in objects(evidence, "calibration"):
        quantile, observed = number_of(row, "quantile", scale=100.0), number_of(row, "observed", scale=100.0)
        if quantile is not None and observed is not None and 0 <= quantile <= 100 and 0 <= observed <= 100:
            found.append((quantile, observed))
    return sorted(found)
