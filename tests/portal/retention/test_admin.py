"""An operator changes rules, looks at a dry run, and deletes only after having seen the counts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from portal.forecasts.models import ForecastRun
from portal.retention import operations
from portal.retention.models import RetentionRule, RetentionRun
from portal.series.models import Series
from tests.portal.retention.conftest import DAY, NOW


@pytest.fixture
def operator(people: dict[str, User]) -> Client:
    client = Client()
    client.force_login(people["operator"])
    return client


@pytest.fixture
def ledger(series: Series, publish_run: Callable[..., ForecastRun], keep: Callable[..., None]) -> None:
    """Four runs, of which one is old."""
    for days in (500, 3, 2, 1):
        publish_run(series, days)
    keep(forecast_runs=400)


def page_of(run: RetentionRun) -> str:
    return reverse("admin:retention_retentionrun_change", args=(run.pk,))


def dry_run_page(client: Client) -> str:
    listed = client.get(reverse("admin:retention_retentionrule_changelist")).content.decode()
    assert "Dry run now …" in listed
    return reverse("admin:retention_retentionrule_dry_run")


def delete_page(run: RetentionRun) -> str:
    return reverse("admin:retention_retentionrun_delete_now", args=(run.pk,))


def test_the_rules_page_tells_what_is_kept_how_long(operator: Client) -> None:
    operations.ensure_rules()
    page = operator.get(reverse("admin:retention_retentionrule_changelist")).content.decode()
    assert "365 days" in page
    assert "The newest run of each series, and those that a kept adjustment builds on." in page


def test_a_rule_is_changed_by_mouse_and_who_did_it_is_kept(operator: Client, people: dict[str, User]) -> None:
    operations.ensure_rules()
    rule = RetentionRule.objects.get(kind="forecast_runs")
    address = reverse("admin:retention_retentionrule_change", args=(rule.pk,))
    refused = operator.post(address, {"enabled": "on", "keep_days": "30"}).content.decode()
    assert "are kept for at least 90 days" in refused
    assert operator.post(address, {"enabled": "on", "keep_days": "1095"}).status_code == 302
    rule.refresh_from_db()
    assert (rule.enabled, rule.keep_days) == (True, 1095)
    assert rule.history.latest().history_user == people["operator"]


def test_rules_are_neither_added_nor_removed(operator: Client) -> None:
    rule = operations.ensure_rules()[0]
    assert operator.get(reverse("admin:retention_retentionrule_add")).status_code == 403
    assert operator.post(reverse("admin:retention_retentionrule_delete", args=(rule.pk,))).status_code == 403


@pytest.mark.usefixtures("ledger")
def test_a_dry_run_shows_what_would_go_and_the_deletion_asks_again(operator: Client) -> None:
    address = dry_run_page(operator)
    asked = operator.get(address).content.decode()
    assert "older than 400 days" in asked
    assert RetentionRun.objects.count() == 0, "looking is not running"
    shown = operator.post(address, follow=True).content.decode()
    dry = RetentionRun.objects.get()
    assert dry.dry_run
    assert "What would be deleted" in shown
    assert "Delete this now …" in shown
    assert f"{NOW - 500 * DAY:%Y-%m-%d}" in shown
    asked = operator.get(delete_page(dry)).content.decode()
    assert "cannot be brought back" in asked
    assert ForecastRun.objects.count() == 4, "asking is not deleting"
    told = operator.post(delete_page(dry), follow=True).content.decode()
    assert "Everything that was due here is deleted." in told
    assert ForecastRun.objects.count() == 3
    real = RetentionRun.objects.get(dry_run=False)
    assert (str(real.by), real.as_of, real.state) == ("operator", dry.as_of, "done")


def test_more_than_half_needs_the_mark(
    operator: Client, series: Series, publish_run: Callable[..., ForecastRun], keep: Callable[..., None]
) -> None:
    for days in (600, 500, 1):
        publish_run(series, days)
    keep(forecast_runs=400)
    shown = operator.post(dry_run_page(operator), follow=True).content.decode()
    assert "2 of 3 are due, more than half of all" in shown
    dry = RetentionRun.objects.get()
    assert 'name="confirm"' in operator.get(delete_page(dry)).content.decode()
    operator.post(delete_page(dry))
    assert ForecastRun.objects.count() == 3
    operator.post(delete_page(dry), {"confirm": "on"})
    assert ForecastRun.objects.count() == 1
    assert RetentionRun.objects.get(confirmed=True).outcomes.get().held is False


def test_what_was_held_is_said_and_the_mark_covers_only_what_the_dialog_named(
    operator: Client, series: Series, publish_run: Callable[..., ForecastRun], keep: Callable[..., None]
) -> None:
    for days in (600, 500, 3, 2):
        publish_run(series, days)
    keep(forecast_runs=400, mails=365)
    operator.post(dry_run_page(operator))
    dry = RetentionRun.objects.get()
    publish_run(series, 450)  # half of all were due; now it is three of five
    told = operator.post(delete_page(dry), {"confirm": "on"}, follow=True).content.decode()
    assert "Everything that was due" not in told
    assert "but for what was held, more than half: Forecast runs with values" in told
    assert ForecastRun.objects.count() == 5


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"forecast_runs": {"keep_days": 300}}, "Forecast runs with values, scores and deadline records"),
        ({"forecast_runs": {"enabled": False}}, "Forecast runs with values, scores and deadline records"),
        ({"weather_forecasts": {"enabled": True, "keep_days": 730}}, "Weather forecasts"),
    ],
)
def test_rules_changed_since_the_dry_run_ask_for_a_new_one(
    operator: Client, changes: dict[str, dict[str, Any]], named: str
) -> None:
    operator.post(dry_run_page(operator))
    dry = RetentionRun.objects.get()
    for kind, facts in changes.items():
        RetentionRule.objects.filter(kind=kind).update(**facts)
    for send in (operator.get, operator.post):
        told = send(delete_page(dry), follow=True)
        assert told.redirect_chain == [(page_of(dry), 302)]
        assert f"The rules have changed since this dry run: {named}. Nothing is deleted" in told.content.decode()
    assert RetentionRun.objects.count() == 1
    assert ForecastRun.objects.count() == 4


@pytest.mark.usefixtures("ledger")
def test_a_dry_run_of_days_ago_leads_to_no_deletion(operator: Client, people: dict[str, User]) -> None:
    then = timezone.now() - timedelta(hours=25)
    dry = operations.begin_run(as_of=then, dry_run=True, by=people["operator"], at=then, airflow={})
    assert "more than a day ago" in operator.post(delete_page(dry), follow=True).content.decode()
    assert ForecastRun.objects.count() == 4


@pytest.mark.usefixtures("ledger")
def test_a_run_that_was_cut_short_is_gone_on_with_by_mouse(
    operator: Client, begin: Callable[..., RetentionRun]
) -> None:
    run = begin()
    page = operator.get(page_of(run)).content.decode()
    assert "Go on deleting" in page
    assert "Delete this now" not in page
    operator.post(reverse("admin:retention_retentionrun_go_on", args=(run.pk,)))
    assert ForecastRun.objects.count() == 3
    assert "Go on deleting" not in operator.get(page_of(run)).content.decode()


@pytest.mark.parametrize("role", ["forecaster", "approver"])
def test_who_may_only_look_finds_no_button(
    people: dict[str, User], begin: Callable[..., RetentionRun], role: str, ledger: None
) -> None:
    client = Client()
    client.force_login(people[role])
    dry = begin(dry_run=True)
    assert "Dry run now" not in client.get(reverse("admin:retention_retentionrule_changelist")).content.decode()
    assert "Delete this now" not in client.get(page_of(dry)).content.decode()
    for address in (reverse("admin:retention_retentionrule_dry_run"), delete_page(dry)):
        assert client.post(address).status_code == 403
    assert ForecastRun.objects.count() == 4


def test_a_run_is_found_by_its_airflow_run_and_leads_there(operator: Client, people: dict[str, User]) -> None:
    airflow: dict[str, Any] = {"dag_id": "maintain_store", "run_id": "scheduled__1"}
    for facts in (airflow, {}):
        operations.begin_run(as_of=NOW, dry_run=True, by=people["airflow"], at=timezone.now(), airflow=facts)
    found = operator.get(reverse("admin:retention_retentionrun_changelist"), {"q": "scheduled__1"})
    assert [run.airflow for run in found.context["cl"].result_list] == [airflow]
    assert "/dags/maintain_store/runs/scheduled__1" in found.content.decode()
