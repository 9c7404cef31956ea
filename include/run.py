"""One run of a DAG as the tasks see it: which as_of, who triggered it, and the portal to talk to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from include.errors import NothingToDo, Refusal
from include.portal import Portal
from include.portal.connection import open_portal
from include.settings import Settings, get_settings
from include.times import read_time

LONGEST_LABEL = 250
CLOCKS_DIFFER = timedelta(hours=1)


class NotYet(Refusal):
    """The time to work for is yet to come: what is known then nobody can say."""


@dataclass(frozen=True)
class Run:
    """A DAG run.

    `as_of` is the time to work for: the param of that name, else the end of the data interval, else the run's own
    start. `started_at` is when the run began by the clock, for every try of its tasks. `events` are the extras of the
    asset events that started it. `triggered_by` is empty for scheduled runs. `is_last_try`: nobody tries again after.
    """

    dag_id: str
    run_id: str
    as_of: datetime
    started_at: datetime
    is_last_try: bool
    interval_start: datetime | None
    triggered_by: str
    params: Mapping[str, Any]
    events: Sequence[Mapping[str, Any]]
    settings: Settings
    portal: Portal

    @property
    def airflow(self) -> dict[str, str]:
        """How the portal names the run behind a fact."""
        return {"dag_id": self.dag_id, "run_id": self.run_id}


@contextmanager
def airflow_run(batch: Mapping[str, Any] = MappingProxyType({})) -> Iterator[Run]:
    """The run that the current Airflow task belongs to; a mapped task is named in the UI after its batch.

    A Refusal becomes AirflowFailException: trying again would give the same answer. NothingToDo skips the task.
    """
    from airflow.sdk import get_current_context
    from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

    context: Any = get_current_context()
    context["batch_label"] = _label(batch.get("sources") or batch.get("series") or ())
    try:
        settings = get_settings()
        facts = _facts(context)
        with open_portal(settings, run_id=facts["run_id"]) as portal:
            yield Run(settings=settings, portal=portal, **facts)
    except NothingToDo as reason:
        raise AirflowSkipException(str(reason)) from reason
    except Refusal as refusal:
        raise AirflowFailException(f"{type(refusal).__name__}: {refusal}") from refusal


def _label(slugs: Sequence[str]) -> str:
    """The batch in the words of the UI, which keeps 250 characters."""
    text = ", ".join(slugs)
    if len(text) <= LONGEST_LABEL:
        return text
    return f"{text[: LONGEST_LABEL - 12].rpartition(', ')[0]}, … ({len(slugs)})"


def _facts(context: Mapping[str, Any]) -> dict[str, Any]:
    dag_run, params = context["dag_run"], dict(context["params"])
    moment = params.get("as_of") or dag_run.data_interval_end or dag_run.run_after
    as_of = read_time(moment, name="as_of")
    started_at = read_time(dag_run.start_date or dag_run.run_after, name="the start of the run")
    if as_of > started_at + CLOCKS_DIFFER:
        raise NotYet(
            f"as_of is {as_of.isoformat()}, and the run began at {started_at.isoformat()}: that is yet to come"
        )
    scheduled = str(getattr(dag_run.run_type, "value", dag_run.run_type)) in ("scheduled", "backfill")
    task = context.get("ti")
    events = (context.get("triggering_asset_events") or {}).values()
    return {
        "dag_id": dag_run.dag_id,
        "run_id": dag_run.run_id,
        "as_of": as_of,
        "started_at": started_at,
        "is_last_try": task is None or task.try_number > task.max_tries,
        "interval_start": dag_run.data_interval_start if scheduled else None,
        "triggered_by": dag_run.triggering_user_name or "",
        "params": params,
        "events": [event.extra for of_one_asset in events for event in of_one_asset],
    }
