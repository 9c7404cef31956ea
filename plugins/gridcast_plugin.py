"""Ways from Airflow to the portal: in the navigation, and on the tasks of Gridcast's DAGs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode

from airflow.plugins_manager import AirflowPlugin
from airflow.sdk import BaseOperatorLink

from include.settings import get_settings

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey

PAGES = {
    "ingest_demand": "series/ingestrun/",
    "ingest_weather": "series/ingestrun/",
    "check_data_quality": "quality/checkrun/",
    "train_models": "registry/modelversion/",
    "publish_forecasts": "forecasts/forecastrun/",
    "score_forecasts": "forecasts/forecastscore/",
    "maintain_store": "retention/retentionrun/",
}
"""Where in the portal's admin the outcome of a DAG is shown; the search there finds the Airflow run behind an entry."""
ASKED_BY_THE_PORTAL = "portal__"
"""How the ids of runs begin that the portal asked for."""


class PortalLink(BaseOperatorLink):
    """From a task instance to what it left in the portal; tasks of other DAGs get none."""

    name: ClassVar[str] = "Gridcast portal"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        page = PAGES.get(ti_key.dag_id)
        return _found_by_run(page, ti_key.run_id) if page else ""


class RequestLink(BaseOperatorLink):
    """From a run that the portal asked for to what it follows from; other runs have none."""

    name: ClassVar[str] = "Why the portal asked"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        asked = ti_key.run_id.startswith(ASKED_BY_THE_PORTAL)
        return _found_by_run("pipeline/dagrunrequest/", ti_key.run_id) if asked else ""


def _found_by_run(page: str, run_id: str) -> str:
    return f"{get_settings().portal_public_url}/admin/{page}?{urlencode({'q': run_id})}"


class GridcastPlugin(AirflowPlugin):
    """Registers the links."""

    name = "gridcast"
    # Two, so that Airflow 3.3 puts them into its menu "Plugins": a single entry becomes a button that leads nowhere.
    external_views: ClassVar[list[dict[str, str]]] = [  # type: ignore[misc]  # the base class has a plain list
        {"name": name, "href": f"{get_settings().portal_public_url}{path}", "destination": "nav"}
        for name, path in (("Gridcast portal", "/admin/"), ("Gridcast REST API", "/api/docs/"))
    ]
    global_operator_extra_links: ClassVar[list[BaseOperatorLink]] = [PortalLink(), RequestLink()]  # type: ignore[misc]
