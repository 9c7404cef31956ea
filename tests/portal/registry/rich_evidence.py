"""Evidence as a training sends it, with every part that a page shows."""

from __future__ import annotations

import math
from typing import Any

TRIALS = 24


def rich_evidence(*, champion: dict[str, Any], check_run: int) -> dict[str, Any]:
    """A challenger that is a tenth better than `champion`, ``{id, version, kind}``, but not before holidays."""
    whole = {"n": 672, "mae": 132.4, "mape": 2.86, "rmse": 185.0, "pinball": 41.2, "crps": 82.7, "coverage_80": 0.79}
    peak = {"peak_mae": 171.0, "peak_bias": -38.2, "peak_time_mae_hours": 1.2, "bias": 3.1, "width_80": 438.0}
    return {
        "metrics": {**whole, **peak},
        "baseline": {**_scaled({**whole, **peak}, 1.6), "n": 672, "coverage_80": 0.88},
        "champion": {**_scaled({**whole, **peak}, 1.12), "n": 672, "coverage_80": 0.84},
        "champion_version": champion,
        "significance": {
            "champion": _test(-14.8, 0.021),
            "baseline": _test(-79.4, 0.0002),
        },
        "by_lead_time": [
            {"lead_time_from": 6.0 * i, "lead_time_to": 6.0 * (i + 1), **_row(60 + 70 * abs(math.sin(1.1 * i)) + 9 * i)}
            for i in range(8)
        ],
        "by_hour": [
            {"hour": hour, **_row(110 + 80 * math.sin((hour - 9) / 24 * 2 * math.pi), n=28)} for hour in range(24)
        ],
        "by_day_type": [
            {"day_type": name, **_row(mae, n=n, against=against)}
            for name, mae, n, against in (
                ("weekday", 121.0, 432, 0.13),
                ("saturday", 138.0, 96, 0.08),
                ("sunday", 129.0, 96, 0.11),
                ("holiday", 188.0, 24, 0.09),
                ("day_before_holiday", 171.0, 24, -0.04),
            )
        ],
        "by_holiday": [{"date": "2014-11-04", "holiday": "Melbourne Cup", **_row(188.0, n=24, against=0.09)}],
        "calibration": [{"quantile": q, "observed": q + 0.03 * math.sin(7 * q), "n": 672} for q in (0.1, 0.5, 0.9)],
        "check_run": {"id": check_run, "status": "warned", "as_of": "2014-11-30T01:00:00Z"},
        "tuning": {
            "objective": "mean pinball loss in MW over the folds",
            "best": {"number": 19, "value": 40.1, "parameters": {}},
            "trials": [_trial(number) for number in range(TRIALS)],
        },
    }


def _scaled(metrics: dict[str, float], factor: float) -> dict[str, float]:
    return {name: round(value * factor, 2) for name, value in metrics.items()}


def _test(difference: float, p_value: float) -> dict[str, Any]:
    return {
        "test": "Diebold-Mariano, corrected by Harvey, Leybourne and Newbold",
        "n_origins": 14,
        "overlapping": 2,
        "mean_difference_mw": difference,
        "statistic": -2.6,
        "p_value": p_value,
    }


def _row(mae: float, *, n: int = 84, against: float = 0.11) -> dict[str, Any]:
    return {"n": n, "mae": mae, "skill": 0.37, "skill_against_champion": against}


def _trial(number: int) -> dict[str, Any]:
    pruned = number in (5, 11, 17)
    value = None if pruned else 40.1 if number == 19 else 40.3 + 9 * math.exp(-number / 6) + 1.5 * (number * 7 % 5)
    return {
        "number": number,
        "state": "pruned" if pruned else "complete",
        "value": value,
        "parameters": {"learning_rate": 0.02 + number / 500, "num_leaves": 15 + number, "min_child_samples": 20},
        "default": number == 0,
    }
