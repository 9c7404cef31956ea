"""The ways from Airflow's pages to the portal's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client

from include.settings import get_settings
from portal.pipeline.operations import request_dag_run
from tests.plugins.conftest import ROOT

Load = Callable[..., dict[str, Any]]
PORTAL = "https://portal.example.org/energy"
RUN = "manual__2014-12-01T00:00:00+00:00_a1"
PAGES = {
    "ingest_demand": "series/ingestrun/",
    "ingest_weather": "series/ingestrun/",
    "check_data_quality": "quality/checkrun/",
    "train_models": "registry/modelversion/",
    "publish_forecasts": "forecasts/forecastrun/",
    "score_forecasts": "forecasts/forecastscore/",
    "maintain_store": "retention/retentionrun/",
}
THEIRS = """
from airflow.sdk import dag, task

@dag(schedule=None)
def their_pipeline():
    @task
    def work():
        pass
    work()

their_pipeline()
"""


@pytest.fixture(scope="module")
def loaded(as_airflow_loads: Load, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the UI is given beside Gridcast's DAGs and one of somebody else."""
    theirs = tmp_path_factory.mktemp("theirs")
    (theirs / "their_pipeline.py").write_text(THEIRS)
    return as_airflow_loads(RUN, dags=(ROOT / "dags", theirs), GRIDCAST_PORTAL_PUBLIC_URL=f"{PORTAL}/")


@pytest.fixture
def link(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], str]]:
    """The link of a task instance, by its DAG and run."""
    from plugins.gridcast_plugin import PortalLink

    yield from _links_of(PortalLink(), monkeypatch)


@pytest.fixture
def request_link(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], str]]:
    """The link of a task instance to what its run follows from."""
    from plugins.gridcast_plugin import RequestLink

    yield from _links_of(RequestLink(), monkeypatch)


def _links_of(kind: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], str]]:
    monkeypatch.setenv("GRIDCAST_PORTAL_PUBLIC_URL", PORTAL)
    get_settings.cache_clear()
    yield lambda dag_id, run_id: kind.get_link(None, ti_key=SimpleNamespace(dag_id=dag_id, run_id=run_id))
    get_settings.cache_clear()


def test_the_plugin_loads_without_an_error(loaded: dict[str, Any]) -> None:
    assert loaded["errors"] == {}
    (plugin,) = (each for each in loaded["plugins"] if each["name"] == "gridcast")
    assert plugin["source"].endswith("gridcast_plugin.py")


def test_the_navigation_leads_to_the_portal_of_the_settings(loaded: dict[str, Any]) -> None:
    (plugin,) = (each for each in loaded["plugins"] if each["name"] == "gridcast")
    views = [(view["name"], view["href"], view["destination"]) for view in plugin["external_views"]]
    assert views == [
        ("Gridcast portal", f"{PORTAL}/admin/", "nav"),
        ("Gridcast REST API", f"{PORTAL}/api/docs/", "nav"),
    ]
    routes = {view["url_route"] for view in plugin["external_views"]}
    assert routes == {None}, "the portal refuses to be shown in a frame: the link opens a page of its own"


def test_without_the_setting_the_navigation_leads_to_this_machine(as_airflow_loads: Load) -> None:
    (plugin,) = (each for each in as_airflow_loads()["plugins"] if each["name"] == "gridcast")
    assert plugin["external_views"][0]["href"] == "http://127.0.0.1:8000/admin/"


def test_a_wrong_setting_is_named_among_the_import_errors_and_stops_nothing_else(as_airflow_loads: Load) -> None:
    loaded = as_airflow_loads(GRIDCAST_PORTAL_PUBLIC_URL="portal.example.org")
    ((file, message),) = loaded["errors"].items()
    assert file.endswith("gridcast_plugin.py")
    assert "GRIDCAST_PORTAL_PUBLIC_URL='portal.example.org'" in message


def test_loading_the_plugin_loads_of_gridcast_only_the_settings(loaded: dict[str, Any]) -> None:
    ours = {name for name in loaded["loaded"] if name.partition(".")[0] in ("include", "forecasting", "portal", "dags")}
    assert ours == {"include", "include.errors", "include.settings"}


def test_loading_the_plugin_loads_no_heavy_library(loaded: dict[str, Any]) -> None:
    heavy = {"pandas", "numpy", "django", "httpx", "keras", "jax", "lightgbm", "sklearn", "statsmodels"}
    assert {name.partition(".")[0] for name in loaded["loaded"]} & heavy == set()


def test_every_task_of_gridcast_leads_to_the_page_of_its_outcome(loaded: dict[str, Any]) -> None:
    for dag_id, page in PAGES.items():
        assert loaded["links"][dag_id], dag_id
        for task, links in loaded["links"][dag_id].items():
            assert links["Gridcast portal"].partition("?")[0] == f"{PORTAL}/admin/{page}", (dag_id, task)


def test_every_dag_has_a_page() -> None:
    assert sorted(PAGES) == sorted(path.stem for path in Path(ROOT, "dags").glob("[!_]*.py"))


def test_a_task_of_another_dag_has_no_link(loaded: dict[str, Any], link: Callable[[str, str], str]) -> None:
    assert loaded["links"]["their_pipeline"] == {"work": {"Gridcast portal": "", "Why the portal asked": ""}}
    assert link("train_models_of_others", RUN) == ""


@pytest.mark.parametrize("dag_id", PAGES)
@pytest.mark.parametrize(
    "run_id", [RUN, "scheduled__2014-12-01T02:30:00+00:00", "by hand & twice?#1%2B/", 'x" onclick="alert(1)', "köln"]
)
def test_the_run_is_searched_for_whatever_its_id_holds(
    link: Callable[[str, str], str], dag_id: str, run_id: str
) -> None:
    address = link(dag_id, run_id)
    assert parse_qs(urlsplit(address).query, strict_parsing=True) == {"q": [run_id]}
    assert urlsplit(address).fragment == ""
    assert address.isascii()
    assert not set(address) & set(" \"'<>")


@pytest.mark.django_db
@pytest.mark.parametrize("dag_id", PAGES)
def test_the_portal_has_the_page_that_the_link_leads_to(link: Callable[[str, str], str], dag_id: str) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("admin"))
    response = client.get(link(dag_id, RUN).removeprefix(PORTAL))
    assert response.status_code == 200
    listed = response.context["cl"]
    assert listed.query == RUN
    assert any(field.endswith("run_id") for field in listed.search_fields)


@pytest.mark.django_db
def test_a_run_that_the_portal_asked_for_leads_back_to_the_request(request_link: Callable[[str, str], str]) -> None:
    asked = request_dag_run(
        "score_forecasts", key="decision-7", conf={}, reason="Approved", series=None, by=None, at=datetime.now(UTC)
    )
    address = request_link(asked.dag_id, asked.run_id)
    assert address.startswith(f"{PORTAL}/admin/pipeline/dagrunrequest/?q=portal__")
    client = Client()
    client.force_login(User.objects.create_superuser("admin"))
    response = client.get(address.removeprefix(PORTAL))
    assert [request.pk for request in response.context["cl"].result_list] == [asked.pk]


def test_a_run_that_a_person_asked_for_leads_to_no_request(request_link: Callable[[str, str], str]) -> None:
    assert request_link("publish_forecasts", RUN) == ""
