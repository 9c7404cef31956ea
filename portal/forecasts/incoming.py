"""A body of forecasts, checked: every run in it is whole and sound, or the whole body is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from portal.core.columns import Faults, integers, iso, numbers, plain_number, require_columns, texts, times
from portal.core.problems import Problem
from portal.forecasts.models import ForecastRun
from portal.registry.models import ModelVersion
from portal.series.models import Series

COLUMNS = (
    "series",
    "issue_time",
    "model_id",
    "data_cutoff",
    "rung",
    "reason",
    "valid_time",
    "quantile",
    "value",
)
LIVE = (ModelVersion.Status.CHAMPION, ModelVersion.Status.RETIRED)
BY_PROGRAMS = tuple(rung for rung in ForecastRun.Rung.values if rung != ForecastRun.Rung.OVERRIDE)
"""What is adjusted by a person is adjusted in the portal."""
WITHOUT_MODEL = (ForecastRun.Rung.SEASONAL_NAIVE, ForecastRun.Rung.EARLIER_RUN)
LONGEST_REASON = 2000
MEDIAN = 0.5
"""What is scored and adjusted."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class IncomingRun:
    """One run as it is to be published: values by valid time and quantile, ascending, in the unit of the series."""

    series: Series
    issue_us: int
    model: ModelVersion | None
    cutoff_us: int
    rung: str
    reason: str
    valid_us: Integers
    quantiles: Floats
    values: Floats
    """Shape (valid times, quantiles)."""
    publisher: str = ForecastRun.Publisher.PIPELINE
    airflow: Mapping[str, str] = field(default_factory=dict)

    def sha256(self) -> str:
        """Of what a second publication of the run must repeat.

        The reason may name a newer check run, and who publishes may be another run of the DAG.
        """
        digest = hashlib.sha256(f"{self.rung}\n{self.values.shape}\n".encode())
        for array in (self.valid_us.astype("<i8"), self.quantiles.astype("<f8"), self.values.astype("<f8") + 0.0):
            digest.update(array.tobytes())
        return digest.hexdigest()


def read_runs(table: pa.Table, *, airflow: Mapping[str, str]) -> list[IncomingRun]:
    """The runs in `table`, of the columns COLUMNS, one row per value, that the run `airflow` of a DAG publishes.

    Raises Problem, naming each row at fault.
    """
    require_columns(table, COLUMNS)
    if not table.num_rows:
        raise Problem("The body holds no rows.")
    body = _Body(table, airflow)
    body.refuse_faults()
    runs = [body.run(rows) for rows in body.rows_by_run()]
    body.refuse_faults()
    return [run for run in runs if run is not None]


class _Body:
    """The columns of one body, with the faults found so far."""

    def __init__(self, table: pa.Table, airflow: Mapping[str, str]) -> None:
        self.airflow = airflow
        self.faults = Faults(table.num_rows)
        self.series_codes, self.slugs = texts(table, "series")
        self.rung_codes, self.rungs = texts(table, "rung")
        self.reason_codes, self.reasons = texts(table, "reason")
        self.model_ids, self.no_model = integers(table, "model_id")
        self.quantiles, self.values = numbers(table, "quantile"), numbers(table, "value")
        self.issue_us, self.cutoff_us, self.valid_us = (
            times(table, name, self.faults) for name in ("issue_time", "data_cutoff", "valid_time")
        )
        slugs = [slug for slug in self.slugs if slug and "\0" not in slug]
        known = {series.slug: series for series in Series.objects.filter(slug__in=slugs)}
        self.series = [known.get(slug or "") for slug in self.slugs]
        model_ids = np.unique(self.model_ids[~self.no_model]).tolist()
        self.models = ModelVersion.objects.defer("evidence", "parameters").in_bulk(
            [pk for pk in model_ids if 0 < pk < 2**63]
        )
        self._check_rows()

    def _check_rows(self) -> None:
        known_series = np.array([series is not None for series in self.series] + [False])[self.series_codes]
        self.faults.mark(
            ~known_series,
            field="series",
            rule="unknown_series",
            message=lambda row: f"There is no series {self._text(self.slugs, self.series_codes, row)!r}.",
        )
        known_rung = np.array([rung in BY_PROGRAMS for rung in self.rungs] + [False])[self.rung_codes]
        self.faults.mark(
            ~known_rung,
            field="rung",
            rule="unknown_rung",
            message=f"rung must be one of {', '.join(BY_PROGRAMS)}.",
        )
        unfit = [bool(reason) and ("\0" in str(reason) or len(str(reason)) > LONGEST_REASON) for reason in self.reasons]
        self.faults.mark(
            np.array([*unfit, False])[self.reason_codes],
            field="reason",
            rule="reason",
            message=f"reason is a text of at most {LONGEST_REASON} characters.",
        )
        self.faults.mark(~np.isfinite(self.values), field="value", rule="not_finite", message="value is not finite.")
        self.faults.mark(
            ~((self.quantiles > 0) & (self.quantiles < 1)),
            field="quantile",
            rule="quantile",
            message="quantile must be between 0 and 1.",
        )
        unknown_model = ~self.no_model & ~np.isin(self.model_ids, list(self.models))
        self.faults.mark(
            unknown_model,
            field="model_id",
            rule="unknown_model",
            message=lambda row: f"There is no model {self.model_ids[row]}.",
        )

    def rows_by_run(self) -> Iterator[Integers]:
        """The rows of each (series, issue_time, model_id, data_cutoff), ordered by valid time and quantile."""
        model = np.where(self.no_model, -1, self.model_ids)
        keys = (self.series_codes, self.issue_us, model, self.cutoff_us)
        order = np.lexsort((self.quantiles, self.valid_us, *reversed(keys)))
        new = np.zeros(len(order), dtype=bool)
        for key in keys:
            new[1:] |= key[order][1:] != key[order][:-1]
        yield from np.split(order, np.flatnonzero(new))

    def run(self, rows: Integers) -> IncomingRun | None:
        """The run of these rows; None where one of them is at fault, which is noted."""
        first = int(rows[0])
        series = self.series[self.series_codes[first]]
        assert series is not None, "unknown series are refused before"  # noqa: S101
        rung = str(self.rungs[self.rung_codes[first]])
        reason = self._text(self.reasons, self.reason_codes, first) or ""
        model = None if self.no_model[first] else self.models[int(self.model_ids[first])]
        self._check_facts(rows, series, model, rung, reason)
        found = int(np.count_nonzero(self.faults.bad))
        shape = self._check_shape(rows, series)
        if shape is None or found != np.count_nonzero(self.faults.bad) or self.faults.bad[rows].any():
            return None
        times_count, quantile_count = shape
        values = self.values[rows].reshape(times_count, quantile_count)
        crossing = np.zeros(values.shape, dtype=bool)
        crossing[:, 1:] = np.diff(values, axis=1) < 0
        self._fault(rows[crossing.ravel()], "value", "crossing", "value is below that of a lower quantile.")
        return IncomingRun(
            series=series,
            issue_us=int(self.issue_us[first]),
            model=model,
            cutoff_us=int(self.cutoff_us[first]),
            rung=rung,
            reason=reason,
            valid_us=self.valid_us[rows][::quantile_count],
            quantiles=self.quantiles[rows][:quantile_count],
            values=values,
            airflow=self.airflow,
        )

    def _check_facts(self, rows: Integers, series: Series, model: ModelVersion | None, rung: str, reason: str) -> None:
        for name, codes in (("rung", self.rung_codes), ("reason", self.reason_codes)):
            self._fault(rows[codes[rows] != codes[rows[0]]], name, "not_constant", f"{name} must be one in a run.")
        if reason == "" and rung != ForecastRun.Rung.CHAMPION:
            self._fault(rows, "reason", "missing", "A fallback has a reason: say why the champion did not publish.")
        if model is None and rung not in WITHOUT_MODEL:
            self._fault(rows, "model_id", "missing", f"The rung {rung} needs a model.")
        if model is not None and model.series_id != series.pk:
            self._fault(rows, "model_id", "foreign_model", f"Model {model.pk} is of another series.")
        elif model is not None and model.status not in LIVE:
            self._fault(rows, "model_id", "not_approved", f"Model {model.pk} is {model.status}: it was never put live.")

    def _check_shape(self, rows: Integers, series: Series) -> tuple[int, int] | None:
        """How many valid times and quantiles the run has; None where they do not form a full regular grid."""
        valid, quantiles = self.valid_us[rows], self.quantiles[rows]
        again = np.zeros(len(rows), dtype=bool)
        again[1:] = (valid[1:] == valid[:-1]) & (quantiles[1:] == quantiles[:-1])
        self._fault(rows[again], "valid_time", "repeated", "This valid_time and quantile come twice in the run.")
        self._fault(
            rows[valid < self.issue_us[rows]], "valid_time", "past", "valid_time is before the issue time of the run."
        )
        self._fault(
            rows[self.cutoff_us[rows] > self.issue_us[rows]],
            "data_cutoff",
            "future",
            "data_cutoff is after the issue time: a forecast sees nothing that became known later.",
        )
        step = int(series.resolution.total_seconds()) * 1_000_000
        self._fault(
            rows[valid % step != 0],
            "valid_time",
            "off_grid",
            f"valid_time is not on the {step // 60_000_000}-minute grid.",
        )
        distinct, counts = np.unique(valid, return_counts=True)
        width = int(counts[0])
        uneven = distinct[counts != width]
        for time in uneven.tolist():
            self._fault(rows[valid == time], "quantile", "uneven", "Every valid_time of a run has the same quantiles.")
        gaps = distinct[1:][np.diff(distinct) != step]
        for time in gaps.tolist():
            self._fault(
                rows[valid == time], "valid_time", "gap", f"Before {iso(time)} there is a gap: valid times are regular."
            )
        if uneven.size or gaps.size or again.any():
            return None
        grid = quantiles.reshape(len(distinct), width)
        differing = (grid != grid[0]).ravel()
        self._fault(rows[differing], "quantile", "uneven", "Every valid_time of a run has the same quantiles.")
        if MEDIAN not in grid[0]:
            self._fault(rows, "quantile", "no_median", "The median, 0.5, is among the quantiles of every run.")
        return len(distinct), width

    def _fault(self, rows: Integers, field: str, rule: str, message: str) -> None:
        # A mask is as long as the body: made for each rule of each run, it would cost the square of the body.
        if not rows.size:
            return
        mask = np.zeros(self.faults.rows, dtype=bool)
        mask[rows] = True
        self.faults.mark(mask, field=field, rule=rule, message=message)

    def refuse_faults(self) -> None:
        """Raise Problem if any row is at fault."""
        if self.faults.found:
            errors = [self._error(row, *fault) for row, fault in sorted(self.faults.found.items())]
            raise Problem(
                f"{len(errors)} of {self.faults.rows} rows are wrong, and runs are published whole: none was stored.",
                errors=errors,
            )

    def _error(self, row: int, field: str, rule: str, message: str) -> dict[str, Any]:
        values: dict[str, Any] = {
            "series": self._text(self.slugs, self.series_codes, row),
            "rung": self._text(self.rungs, self.rung_codes, row),
            "reason": self._text(self.reasons, self.reason_codes, row),
            "model_id": None if self.no_model[row] else int(self.model_ids[row]),
            "quantile": plain_number(float(self.quantiles[row])),
            "value": plain_number(float(self.values[row])),
            "issue_time": iso(int(self.issue_us[row])),
            "data_cutoff": iso(int(self.cutoff_us[row])),
            "valid_time": iso(int(self.valid_us[row])),
        }
        return {
            "row": row,
            "series": values["series"],
            "field": field,
            "value": None if rule == "missing" else self.faults.given.get(row, values[field]),
            "rule": rule,
            "message": message,
        }

    @staticmethod
    def _text(known: list[str | None], codes: Integers, row: int) -> str | None:
        return known[codes[row]] if codes[row] >= 0 else None
