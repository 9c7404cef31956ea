"""Airflow's REST API v2, as far as the portal asks it for runs."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import quote

import httpx
from django.conf import settings
from django.urls import reverse

from portal.core.outbox import LONGEST_RETRY, DeliveryFailed, Outbox
from portal.pipeline.models import DagRunRequest

logger = logging.getLogger(__name__)

TIMEOUT = httpx.Timeout(20, connect=5)
DOWN = {httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT}
FOR_SOMEBODY_TO_MEND = {
    httpx.codes.BAD_REQUEST,
    httpx.codes.FORBIDDEN,
    httpx.codes.NOT_FOUND,
    httpx.codes.UNPROCESSABLE_ENTITY,
}
"""The same request is refused again until a DAG is deployed, a form changed or a right given."""
LONGEST_REASON = 700
"""Characters; Airflow takes notes of 1000."""


def send(request: DagRunRequest) -> dict[str, str]:
    """Ask Airflow for the run; one of the same id that is there already is this one, asked for before.

    Returns what to note. Raises DeliveryFailed, whatever went wrong.
    """
    if not settings.AIRFLOW_API_PASSWORD:
        raise DeliveryFailed("AIRFLOW_API_PASSWORD is not set: nobody to ask Airflow as", server_reached=False)
    try:
        with httpx.Client(base_url=settings.AIRFLOW_API_URL, timeout=TIMEOUT) as http:
            return _ask(http, request)
    except httpx.HTTPError as error:
        raise DeliveryFailed(
            f"Airflow at {settings.AIRFLOW_API_URL} does not answer: {type(error).__name__}: {error}",
            server_reached=False,
        ) from error


outbox = Outbox(DagRunRequest, send=send, task="portal.pipeline.tasks.send_dag_run_request", what="request for the run")


def _ask(http: httpx.Client, request: DagRunRequest) -> dict[str, str]:
    person = {"username": settings.AIRFLOW_API_USERNAME, "password": settings.AIRFLOW_API_PASSWORD}
    login = http.post("/auth/token", json=person)
    if login.status_code == httpx.codes.UNAUTHORIZED:
        raise DeliveryFailed(
            f"Airflow does not let {settings.AIRFLOW_API_USERNAME} in: "
            "are AIRFLOW_API_USERNAME and AIRFLOW_API_PASSWORD those of a user there?",
            server_reached=False,
        )
    http.headers["Authorization"] = f"Bearer {_fact(login, 'access_token', quoted=False)}"

    dag = f"/api/v2/dags/{quote(request.dag_id, safe='')}"
    paused = _fact(http.get(dag), "is_paused")
    answer = http.post(
        f"{dag}/dagRuns",
        json={"dag_run_id": request.run_id, "logical_date": None, "conf": request.conf, "note": _note(request)},
    )
    if answer.status_code != httpx.codes.CONFLICT:
        _fact(answer, "dag_run_id")
    if not paused:
        return {"remark": ""}
    remark = f"{request.dag_id} was paused when Airflow took this: the run is queued until somebody unpauses the DAG."
    logger.warning("%s: %s", request, remark)
    return {"remark": remark}


def _note(request: DagRunRequest) -> str:
    page = settings.PORTAL_PUBLIC_URL + reverse("admin:pipeline_dagrunrequest_change", args=(request.pk,))
    return f"{request.reason[:LONGEST_REASON]}\n\n[Asked for by the portal]({page})"


def _fact(answer: httpx.Response, name: str, *, quoted: bool = True) -> Any:
    """A fact of a successful answer. Raises DeliveryFailed, quoting the answer unless that may repeat a password."""
    content = _content(answer)
    if answer.is_success and isinstance(content, dict) and name in content:
        return content[name]
    said = content.get("detail", content) if isinstance(content, dict) else content
    words = f": {str(said)[:1000]}" if quoted else ""
    asked = f"{answer.request.method} {answer.request.url.path}"
    raise DeliveryFailed(
        f"Airflow answered {asked} with {answer.status_code}{words}",
        server_reached=answer.status_code not in DOWN,
        again_in=LONGEST_RETRY if answer.status_code in FOR_SOMEBODY_TO_MEND else None,
    )


def _content(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return answer.text
