"""The rows of a run: what was measured, or why nothing was, kept one JSON line each so that a run can go on."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Key:
    """What one process measures."""

    case: str
    regime: str
    model: str


@dataclass(frozen=True)
class Result:
    """One model on one case: loads in MW, coverage of the 80 % interval as a share, CPU in seconds, memory in MiB."""

    case: str
    regime: str
    model: str
    ours: bool
    commit: str
    mae: float | None = None
    mase: float | None = None
    pinball: float | None = None
    coverage: float | None = None
    points: int = 0
    cpu_fit: float | None = None
    cpu_predict: float | None = None
    memory: float | None = None
    version: str = ""
    protocol: str = ""
    error: str = ""

    @property
    def key(self) -> Key:
        return Key(self.case, self.regime, self.model)

    @property
    def cpu(self) -> float | None:
        """Fitting and all forecasts."""
        return None if self.cpu_fit is None or self.cpu_predict is None else self.cpu_fit + self.cpu_predict

    @classmethod
    def measured(cls, key: Key, row: dict[str, Any], *, ours: bool, commit: str) -> Result:
        """From the row of a protocol; forecasts with holes in them count as a failure."""
        holes = int(row["nan_points"])
        return cls(
            **asdict(key),
            ours=ours,
            commit=commit,
            mae=_number(row["mae"]),
            mase=_number(row["mase"]),
            pinball=_number(row["pinball_mean"]),
            coverage=_number(row["cover80"]),
            points=int(row["n_origins"]) * int(row["horizon"]) - holes,
            cpu_fit=row["cpu_fit_s"],
            cpu_predict=row["cpu_predict_s"],
            memory=row["peak_rss_mb"],
            version=str(row["version"]).replace(";", "; ").replace(";  ", "; "),
            protocol=row["protocol"],
            error=f"{holes} values of the forecasts are missing" if holes else "",
        )

    @classmethod
    def failed(cls, key: Key, error: str, *, ours: bool, commit: str) -> Result:
        return cls(**asdict(key), ours=ours, commit=commit, error=error or "ended without a word")


def load(path: Path) -> list[Result]:
    """The rows of a run so far, the last of each key; those of another version of this file are left out."""
    known = {field.name for field in fields(Result)}
    found: dict[Key, Result] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        row = json.loads(line)
        if set(row) == known:
            found[Result(**row).key] = Result(**row)
    return list(found.values())


def append(path: Path, result: Result) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(asdict(result)) + "\n")


def succeeded(results: Iterable[Result]) -> list[Result]:
    return [each for each in results if not each.error]


def _number(value: Any) -> float | None:
    """A measure; None where the model gives no such thing (JSON has NaN for it)."""
    return None if value is None or value != value else float(value)
