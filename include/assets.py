"""The assets that couple the DAGs. Their URIs appear nowhere else."""

from airflow.sdk import Asset

OBSERVATIONS = Asset(
    name="observations",
    uri="gridcast://portal/observations",
    group="gridcast",
    extra={"written_by": "ingest_demand"},
)
"""New observations in the portal. An event's extra is ``{"series": [slug, …], "as_of": ISO 8601}``."""

DRIFT = Asset(
    name="drift",
    uri="gridcast://portal/drift",
    group="gridcast",
    extra={"written_by": "score_forecasts"},
)
"""Series whose forecasts have become worse and are to be trained anew. An event's extra is that of observations."""
