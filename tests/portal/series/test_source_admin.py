"""The page of a source, as a data engineer uses it on a bad day."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from portal.series.models import IngestRun, Series, Source

AT = datetime(2014, 10, 10, 14, tzinfo=UTC)
OPTIONS = {"time_column": "t", "columns": [{"column": "mw", "series": "victoria"}]}


@pytest.fixture
def client(make_user: Callable[..., User], make_series: Callable[..., Series]) -> Client:
    make_series("victoria")
    client = Client()
    client.force_login(make_user("data_engineer"))
    return client


def form(**changes: Any) -> dict[str, Any]:
    facts = {
        "slug": "archive",
        "name": "Archive",
        "kind": "file",
        "feeds": "demand",
        "url": "a.csv",
        "connection": "",
        "options": json.dumps(OPTIONS),
        "enabled": "on",
    }
    return {**facts, **changes}


def page(client: Client, url: str, sent: dict[str, Any] | None = None) -> str:
    answer = client.get(url) if sent is None else client.post(url, sent)
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


ADD = reverse("admin:series_source_add")


def test_a_source_is_made_and_its_history_names_who(client: Client) -> None:
    assert client.post(ADD, form()).status_code == 302
    source = Source.objects.get()
    assert (source.options, source.feeds, source.history.get().history_user.username) == (
        OPTIONS,
        "demand",
        "data_engineer",
    )


def test_parts_of_a_minute_are_no_availability_delay(client: Client) -> None:
    assert "0:00:30 is not a whole number of minutes." in page(client, ADD, form(availability_delay="0:00:30"))
    assert client.post(ADD, form(availability_delay="0:30:00")).status_code == 302
    assert "PT30M" in page(client, reverse("admin:series_source_changelist"))


def test_every_kind_is_explained_with_an_example(client: Client) -> None:
    shown = page(client, ADD)
    for fact in ("ambiguous", "columns[].respondent", "%(start)s", '"dataset": "forecast"', "scale_up", "DE_LU"):
        assert fact in shown, fact
    assert shown.count("<details") == 6


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"url": ""}, "needs a url"),
        ({"kind": "sql"}, "needs the id of an Airflow connection"),
        ({"feeds": "weather"}, 'columns[0].series = "victoria": is a series of the quantity load'),
        (
            {"options": '{"time_column": "t",\n "columns": [,]}'},
            "This is no JSON: Expecting value, in line 2, column 14.",
        ),
        ({"options": '{"time_column": "t", "time_column": "u"}'}, "time_column stands twice in one object"),
        ({"options": json.dumps({**OPTIONS, "labels": "middle"})}, 'labels = "middle": must be “start” or “end”.'),
        ({"url": "s3://key:hunter2@bucket/a.csv"}, "Airflow connection"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field_and_what_was_typed_stays(
    client: Client, changes: dict[str, Any], said: str
) -> None:
    shown = page(client, ADD, form(**changes))
    assert said in shown
    assert form(**changes)["options"] in shown.replace("\r\n", "\n")
    assert not Source.objects.exists()


def test_options_that_could_not_be_read_are_not_judged_by_those_before(client: Client) -> None:
    source = Source.objects.create(slug="archive", name="Archive", url="a.csv", options={"time_column": "t"})
    shown = page(client, reverse("admin:series_source_change", args=(source.pk,)), form(options="{"))
    assert "This is no JSON" in shown
    assert "columns is missing" not in shown


def test_the_list_and_the_page_show_how_the_last_reading_went(client: Client) -> None:
    source = Source.objects.create(slug="archive", name="Archive", url="a.csv", options=OPTIONS)
    Source.objects.create(slug="new", name="New", url="b.csv", options=OPTIONS)
    facts = {"source": source, "dag_id": "ingest_demand", "as_of": AT, "started_at": AT, "updated_at": AT}
    IngestRun.objects.create(**facts, run_id="first", state="done")
    run = IngestRun.objects.create(**facts, run_id="second", state="failed", error="a.csv is empty")
    listed = page(client, reverse("admin:series_source_changelist"))
    assert "never read" in listed
    assert reverse("admin:series_ingestrun_change", args=(run.pk,)) in listed
    assert "Failed" in listed
    shown = page(client, reverse("admin:series_source_change", args=(source.pk,)))
    assert "a.csv is empty" in shown
    assert "/dags/ingest_demand/runs/second" in shown


def test_who_may_not_change_a_source_still_reads_it_and_its_kinds(
    client: Client, make_user: Callable[..., User]
) -> None:
    source = Source.objects.create(slug="archive", name="Archive", url="a.csv", options=OPTIONS)
    reader = Client()
    reader.force_login(make_user("forecaster"))
    assert "What each kind takes" in page(reader, reverse("admin:series_source_change", args=(source.pk,)))


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_the_reference_follows_the_kind_that_is_chosen(
    client: Client, live_server: Any, open_browser: Callable[[], Chrome]
) -> None:
    browser = open_browser()
    browser.get(f"{live_server.url}/admin/login/")
    session = settings.SESSION_COOKIE_NAME
    browser.add_cookie({"name": session, "value": client.cookies[session].value})
    browser.get(f"{live_server.url}{ADD}")
    assert browser.find_element(By.CSS_SELECTOR, "#kind-file table").is_displayed()
    Select(browser.find_element(By.ID, "id_kind")).select_by_value("sql")
    assert browser.find_element(By.CSS_SELECTOR, "#kind-sql table").is_displayed()
    assert not browser.find_element(By.CSS_SELECTOR, "#kind-file table").is_displayed()
    complaints = [entry["message"] for entry in browser.get_log("browser") if entry["level"] in ("WARNING", "SEVERE")]
    assert complaints == []
