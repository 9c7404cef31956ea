"""A source that could not be read: who is told, in which words, and when it is over."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connections, transaction
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from portal.alerts import outbox
from portal.alerts.models import Alert, AlertRule, OutboxMessage
from portal.quality.models import CheckRun
from portal.series.ingests.operations import advance_ingest, begin_ingest
from portal.series.models import IngestRun, Series, Source

if TYPE_CHECKING:
    from tests.portal.alerts.conftest import MailServer

AT = datetime(2014, 10, 10, 14, tzinfo=UTC)
HOUR = timedelta(hours=1)
ERROR = "meters.csv has no column 'mw'; it has 'Zeit', 'Last'"
ALERTS, RULES = "/api/v1/alerts/", "/api/v1/alert-rules/"
Ingest = Callable[..., IngestRun]


@pytest.fixture
def source(series: Series) -> Source:
    options = {"time_column": "t", "columns": [{"column": "mw", "series": series.slug}]}
    return Source.objects.create(slug="meters", name="Meters of the town", url="meters.csv", options=options)


@pytest.fixture
def ingest(source: Source, pipeline: User) -> Ingest:
    """Reads a source in a run of its own (of `as_of`, unless named) that fails or is done."""

    def read(
        state: str = "failed",
        *,
        as_of: datetime = AT,
        run_id: str | None = None,
        of: Source | None = None,
        error: str = ERROR,
        **counts: Any,
    ) -> IngestRun:
        run, _ = begin_ingest(
            of or source,
            airflow={"dag_id": "ingest_demand", "run_id": run_id or f"scheduled__{as_of:%Y-%m-%dT%H:%M}"},
            as_of=as_of,
            period_start=as_of - timedelta(days=7),
            period_end=as_of,
            by=pipeline,
            at=as_of,
        )
        changes = {"state": state, **counts} | ({"error": error} if state == "failed" else {})
        return advance_ingest(run, changes=changes, by=pipeline, at=as_of)

    return read


@pytest.fixture
def api(operator: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(operator)


def test_a_failed_ingest_fires_an_alert_about_its_source_and_writes_a_mail(
    ingest: Ingest, ingest_rule: AlertRule, source: Source
) -> None:
    run = ingest()
    alert = Alert.objects.get()
    assert (alert.rule, alert.source, alert.series, alert.message) == (ingest_rule, source, None, ERROR)
    assert (alert.state, alert.severity, alert.first_ingest, alert.latest_ingest) == ("firing", "fatal", run, run)
    message = OutboxMessage.objects.get()
    assert (message.recipient, message.kind) == ("olga@example.org", "fired")
    assert list(message.alerts.all()) == [alert]


def test_an_ingest_that_is_done_fires_nothing(ingest: Ingest, ingest_rule: AlertRule) -> None:
    ingest("done")
    assert not Alert.objects.exists()


def test_the_mail_says_which_source_what_was_wrong_and_where_to_look(
    ingest: Ingest, ingest_rule: AlertRule, source: Source, mail_server: MailServer
) -> None:
    run = ingest(received=500, inserted=480, corrected=15, quarantined=5)
    outbox.sweep(clock=lambda: AT)
    (mail,) = mail_server.received
    assert mail["Subject"] == "[Gridcast] Fatal: source meters could not be read"
    alert, base = Alert.objects.get(), "https://portal.example.org/admin"
    for body in (mail.get_body(("plain",)), mail.get_body(("html",))):
        assert body is not None
        text = " ".join(body.get_content().replace("&#x27;", "'").split())
        for fact in (
            "Meters of the town",
            "meters",
            ERROR,
            "victoria",
            "Sat 04 Oct 2014, 00:00 AEST to Sat 11 Oct 2014, 01:00 AEDT",
            "2014-10-03 14:00Z to 2014-10-10 14:00Z",
            "2014-10-10 14:00Z",
            "500 received: 480 new, 15 corrected, 0 unchanged; 5 in quarantine",
            "clear the failed task in Airflow, and the source is read again",
            f"{base}/series/ingestrun/{run.pk}/change/",
            f"{base}/series/source/{source.pk}/change/",
            f"{base}/alerts/alert/{alert.pk}/acknowledge/",
            f"{base}/alerts/alertrule/{ingest_rule.pk}/change/",
            "/dags/ingest_demand/runs/scheduled__2014-10-10T14%3A00",
        ):
            assert fact in text, fact


def test_an_open_period_is_told_in_words(ingest_rule: AlertRule, source: Source, pipeline: User) -> None:
    airflow = {"dag_id": "ingest_demand", "run_id": "manual__1"}
    facts: dict[str, Any] = {"airflow": airflow, "as_of": AT, "period_start": None, "period_end": None}
    run, _ = begin_ingest(source, **facts, by=pipeline, at=AT)
    advance_ingest(run, changes={"state": "failed", "error": ERROR}, by=pipeline, at=AT)
    assert "the beginning to the end (Australia/Melbourne)" in OutboxMessage.objects.get().text


def test_markup_in_an_error_is_shown_and_not_run_and_a_long_one_is_cut(ingest: Ingest, ingest_rule: AlertRule) -> None:
    ingest(error="<script>alert(1)</script>" + "x" * 10_000)
    message = OutboxMessage.objects.get()
    assert "<script>" not in message.html
    assert "<script>alert(1)</script>" in message.text
    assert len(message.text) < 5000


def test_a_source_that_fails_again_adds_neither_alert_nor_mail(ingest: Ingest, ingest_rule: AlertRule) -> None:
    ingest()
    newer = ingest(as_of=AT + HOUR, error="still gone")
    alert = Alert.objects.get()
    assert (alert.latest_ingest, alert.message) == (newer, "still gone")
    ingest(as_of=AT - HOUR, error="of an older day")
    assert Alert.objects.get().message == "still gone"
    assert OutboxMessage.objects.count() == 1


def test_a_later_reading_resolves_with_a_mail_in_the_same_thread(ingest: Ingest, ingest_rule: AlertRule) -> None:
    ingest()
    done = ingest("done", as_of=AT + HOUR)
    ingest("done", as_of=AT + 2 * HOUR)
    alert = Alert.objects.get()
    assert (alert.state, alert.resolved_by_ingest, alert.resolved_at) == ("resolved", done, AT + HOUR)
    fired, resolved = OutboxMessage.objects.order_by("pk")
    assert (resolved.kind, resolved.in_reply_to) == ("resolved", fired.message_id)
    assert resolved.subject == "[Gridcast] Resolved: source meters is read again"
    assert "Nothing is left to do" in " ".join(resolved.text.split())
    assert "Acknowledge" not in resolved.text + resolved.html
    assert ERROR not in resolved.text


def test_the_repetition_of_the_failed_run_resolves_too(ingest: Ingest, ingest_rule: AlertRule) -> None:
    first = ingest()
    assert ingest("done") == first
    assert Alert.objects.get().state == "resolved"


def test_a_backfill_of_an_earlier_time_resolves_nothing(ingest: Ingest, ingest_rule: AlertRule) -> None:
    ingest()
    ingest("done", as_of=AT - HOUR)
    assert Alert.objects.get().state == "firing"


def test_the_reading_of_another_source_resolves_nothing(ingest: Ingest, ingest_rule: AlertRule) -> None:
    ingest()
    ingest("done", as_of=AT + HOUR, of=Source.objects.create(slug="other", name="Other", url="o.csv"))
    assert Alert.objects.get().state == "firing"


def test_a_failure_after_the_resolution_is_a_new_alert(ingest: Ingest, ingest_rule: AlertRule) -> None:
    ingest()
    ingest("done", as_of=AT + HOUR)
    ingest(as_of=AT + 2 * HOUR)
    assert list(Alert.objects.order_by("pk").values_list("state", flat=True)) == ["resolved", "firing"]


def test_rules_fire_for_their_source_only_and_not_while_disabled(
    ingest: Ingest, ingest_rule: AlertRule, rule: AlertRule
) -> None:
    other = Source.objects.create(slug="other", name="Other", url="o.csv")
    AlertRule.objects.filter(pk=ingest_rule.pk).update(source=other)
    ingest()
    assert not Alert.objects.exists()
    AlertRule.objects.filter(pk=ingest_rule.pk).update(source=None, enabled=False)
    ingest(as_of=AT + HOUR)
    assert not Alert.objects.exists()


def test_the_alert_of_a_rule_disabled_since_resolves_in_silence(ingest: Ingest, ingest_rule: AlertRule) -> None:
    ingest()
    AlertRule.objects.update(enabled=False)
    ingest("done", as_of=AT + HOUR)
    assert Alert.objects.get().state == "resolved"
    assert OutboxMessage.objects.count() == 1


def test_a_failed_check_and_a_failed_ingest_are_two_alerts_of_two_rules(
    ingest: Ingest, check: Callable[..., CheckRun], ingest_rule: AlertRule, rule: AlertRule, series: Series
) -> None:
    check("failed")
    ingest()
    about_check, about_ingest = Alert.objects.order_by("pk")
    assert (about_check.rule, about_check.series, about_check.source) == (rule, series, None)
    assert (about_ingest.rule, about_ingest.check_name) == (ingest_rule, "")


def test_alert_and_mail_vanish_with_an_end_that_was_not_kept(ingest: Ingest, ingest_rule: AlertRule) -> None:
    def fail_and_stop() -> None:
        with transaction.atomic():
            ingest()
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fail_and_stop()
    assert not Alert.objects.exists()
    assert not OutboxMessage.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_ten_failures_at_once_open_one_alert_and_write_one_mail(ingest: Ingest, ingest_rule: AlertRule) -> None:
    def fail(number: int) -> None:
        try:
            ingest(as_of=AT + timedelta(minutes=number))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(fail, range(10)))
    assert Alert.objects.get().latest_ingest.as_of == AT + timedelta(minutes=9)  # type: ignore[union-attr]
    assert OutboxMessage.objects.count() == 1


def test_the_database_keeps_one_open_alert_per_rule_and_source(ingest: Ingest, ingest_rule: AlertRule) -> None:
    ingest()
    alert = Alert.objects.get()
    alert.pk = None
    with pytest.raises(IntegrityError, match="alerts_one_open_alert_per_source"), transaction.atomic():
        alert.save(force_insert=True)


@pytest.mark.parametrize(
    "changes", [{"source": None}, {"first_ingest": None}, {"check_name": "flat_line"}, {"latest_ingest": None}]
)
def test_an_alert_that_is_about_neither_or_both_is_refused_by_the_database(
    ingest: Ingest, ingest_rule: AlertRule, changes: dict[str, Any]
) -> None:
    ingest()
    with pytest.raises(IntegrityError, match="alerts_about_one_thing"), transaction.atomic():
        Alert.objects.update(**changes)


def test_a_resolved_alert_names_the_run_that_resolved_it(ingest: Ingest, ingest_rule: AlertRule) -> None:
    ingest()
    with pytest.raises(IntegrityError, match="alerts_resolved_by_a_run"), transaction.atomic():
        Alert.objects.update(state="resolved", resolved_at=AT)


def test_a_rule_is_narrowed_by_what_its_signal_is_about(
    ingest_rule: AlertRule, rule: AlertRule, source: Source, series: Series, api: APIClient
) -> None:
    assert api.patch(f"{RULES}{ingest_rule.pk}/", {"source": "meters"}).json()["source"] == "meters"
    for wrong, changes in ((ingest_rule, {"series": "victoria"}), (rule, {"source": "meters"})):
        answer = api.patch(f"{RULES}{wrong.pk}/", changes)
        assert answer.status_code == 400
        assert "on ingests is narrowed by source, any other by series" in answer.json()["detail"]
    rule.source = source
    with pytest.raises(ValidationError, match="narrowed by source"):
        rule.full_clean()


def test_the_api_tells_of_both_kinds_of_alert_and_narrows_by_source_and_signal(
    ingest: Ingest, check: Callable[..., CheckRun], ingest_rule: AlertRule, rule: AlertRule, api: APIClient
) -> None:
    check("failed")
    run = ingest()
    (told,) = api.get(ALERTS, {"source": "meters"}).json()["results"]
    assert {
        "signal": "ingest_failed",
        "source": "meters",
        "series": None,
        "message": ERROR,
        "first_ingest": run.pk,
        "latest_ingest": run.pk,
        "latest_run": None,
        "resolved_by_ingest": None,
    }.items() <= told.items()
    assert api.get(ALERTS, {"signal": "ingest_failed"}).json()["results"] == [told]
    assert api.get(ALERTS, {"signal": "check_failed"}).json()["results"][0]["source"] is None
    assert api.get(ALERTS).json()["count"] == 2


def test_an_operator_acknowledges_from_the_mail_and_the_page_shows_the_error(
    ingest: Ingest, ingest_rule: AlertRule, operator: User
) -> None:
    run = ingest()
    alert, browser = Alert.objects.get(), Client()
    browser.force_login(operator)
    page = reverse("admin:alerts_alert_acknowledge", args=(alert.pk,))
    assert page in OutboxMessage.objects.get().text
    question = browser.get(page).content.decode()
    assert "meters.csv has no column" in question
    assert reverse("admin:series_ingestrun_change", args=(run.pk,)) in question
    answer = browser.post(page, follow=True)
    assert [str(m) for m in get_messages(answer.wsgi_request)] == ["You look after the ingest of meters."]
    assert "meters.csv has no column" in answer.content.decode()
    again = browser.post(page, follow=True)
    (refusal,) = get_messages(again.wsgi_request)
    assert str(refusal) == "The alert about the ingest of meters is acknowledged by olga, not firing."
    assert "could not be read" in browser.get(reverse("admin:alerts_alert_changelist")).content.decode()
    assert "every source" in browser.get(reverse("admin:alerts_alertrule_changelist")).content.decode()
