"""What all DAGs share: who owns them, how a failed task is tried again, and the fields of their forms."""

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import Param

OWNER = "gridcast"
TAGS = ["gridcast"]
START = datetime(2000, 1, 1, tzinfo=UTC)
"""Backfills reach back to here; without one, only the newest interval runs."""

DEFAULT_ARGS: dict[str, Any] = {
    "owner": OWNER,
    "retries": 3,
    "retry_delay": timedelta(seconds=10),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=10),
}
"""A refusal that stays one (bad data, a held training) is raised as AirflowFailException and not tried again."""

MODEL_KINDS = (
    "seasonal_naive",
    "exponential_smoothing",
    "arima",
    "regression",
    "gradient_boosting",
    "recursive_boosting",
    "lstm",
    "ensemble",
    "auto",
)
"""`forecasting.available_models()`, written out: parsing a DAG file loads no library. A test compares them."""

TRAINED_KINDS = ("seasonal_naive", "arima", "gradient_boosting", "auto")
"""Trained unless the form says otherwise: the yardstick, two that are quick and easily explained, and the best."""


def series_param(otherwise: str) -> Param:
    """The form's field for series; `otherwise` says which are taken when it is empty."""
    return Param(
        [],
        type=["null", "array"],
        items={"type": "string"},
        title="Series",
        description=f"Slugs of load series in the portal, one a line. Empty: {otherwise}.",
    )


def time_param(title: str, description: str) -> Param:
    """A field of the form for a time, empty by default."""
    return Param(None, type=["null", "string"], format="date-time", title=title, description=description)


def as_of_param(meaning: str) -> Param:
    """The form's field for the time to work for."""
    return time_param("As of", f"{meaning} Empty: the end of the run's data interval.")
