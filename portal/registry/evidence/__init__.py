"""Reading the evidence of a model: its backtest, what it was compared with, and what it rests on.

Evidence is JSON that the pipeline sent. What is missing or malformed in it is shown as missing; no page fails on it.
"""

from portal.registry.evidence.calibration import calibration_points
from portal.registry.evidence.figures import Comparison, Figure, baseline_error, compare, figures, shown, size
from portal.registry.evidence.provenance import Compared, check_run_id, compared_with
from portal.registry.evidence.reading import finite, number_of, part, rows
from portal.registry.evidence.segments import (
    HOUR,
    LEAD_TIME,
    SEGMENTS,
    Table,
    error_points,
    errors_by_lead_time,
    segment_name,
    table,
)
from portal.registry.evidence.significance import Significance, significance
from portal.registry.evidence.study import Study, study

__all__ = [
    "HOUR",
    "LEAD_TIME",
    "SEGMENTS",
    "Compared",
    "Comparison",
    "Figure",
    "Significance",
    "Study",
    "Table",
    "baseline_error",
    "calibration_points",
    "check_run_id",
    "compare",
    "compared_with",
    "error_points",
    "errors_by_lead_time",
    "figures",
    "finite",
    "number_of",
    "part",
    "rows",
    "segment_name",
    "shown",
    "significance",
    "size",
    "study",
    "table",
]
