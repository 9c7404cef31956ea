"""Where people and programs read what the audits of the decisions found."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from portal.alerts.models import Alert
from portal.alerts.operations import ensure_default_rules
from portal.registry.daily_audit import record_audit
from portal.registry.models import AuditOutcome, ModelVersion
from tests.portal.registry.tampering import tampering

AT = datetime(2014, 11, 10, 2, 35, tzinfo=UTC)
DAY = timedelta(days=1)
DECISIONS = reverse("admin:registry_decision_changelist")
AUDITS = reverse("admin:registry_auditoutcome_changelist")
API = "/api/v1/decision-audits/"
FAULT = "victoria v3 is candidate, and by its decisions it is rejected"


@pytest.fixture
def browser(make_user: Callable[..., User]) -> Callable[[str | None], Client]:
    def of(role: str | None) -> Client:
        client = Client()
        client.force_login(make_user(role, f"a-{role}"))
        return client

    return of


@pytest.fixture
def audits(history: list[ModelVersion]) -> list[AuditOutcome]:
    """A sound one, and a day later a broken one."""
    good = record_audit(at=AT)
    with tampering() as execute:
        execute("UPDATE registry_modelversion SET status = 'candidate' WHERE version = 3")
    return [good, record_audit(at=AT + DAY)]


def text(response: HttpResponse) -> str:
    assert response.status_code == 200
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def test_the_list_says_when_it_was_sound_and_else_what_is_broken(
    audits: list[AuditOutcome], browser: Callable[[str | None], Client]
) -> None:
    listed = text(browser("forecaster").get(AUDITS))
    assert f"Broken {FAULT}" in listed
    assert "Sound 6 decisions about 4 models follow from each other 6 4 6:" in listed
    assert text(browser("operator").get(AUDITS, {"sound__exact": "1"})).count("victoria v3") == 0


def test_an_audit_is_looked_at_and_not_changed(
    audits: list[AuditOutcome], browser: Callable[[str | None], Client]
) -> None:
    client = browser("approver")
    page = reverse("admin:registry_auditoutcome_change", args=(audits[0].pk,))
    assert audits[0].head in text(client.get(page))
    assert client.post(page, {"faults": "none"}).status_code == 403
    assert client.post(reverse("admin:registry_auditoutcome_delete", args=(audits[0].pk,))).status_code == 403


def test_the_list_of_decisions_begins_with_the_last_audit(
    history: list[ModelVersion], browser: Callable[[str | None], Client]
) -> None:
    client = browser("approver")
    assert "Not audited yet: the portal does it once a day." in text(client.get(DECISIONS))
    record_audit(at=AT)
    page = client.get(DECISIONS)
    assert "Audited 2014-11-10 02:35 UTC: sound, 6 decisions about 4 models follow" in text(page)
    assert f'href="{AUDITS}">All audits</a>' in page.content.decode()


def test_the_list_of_decisions_says_that_the_record_is_broken(
    audits: list[AuditOutcome], browser: Callable[[str | None], Client]
) -> None:
    assert f"Audited 2014-11-11 02:35 UTC: the record is broken. {FAULT}" in text(browser("approver").get(DECISIONS))


def test_who_may_see_nothing_sees_no_audits(
    audits: list[AuditOutcome], browser: Callable[[str | None], Client]
) -> None:
    assert browser(None).get(AUDITS).status_code == 403


def test_programs_read_the_audits_newest_first_and_narrowed(
    audits: list[AuditOutcome], make_user: Callable[..., User], client_of: Callable[[User], APIClient]
) -> None:
    client = client_of(make_user("service"))
    newest, oldest = client.get(API).json()["results"]
    assert (newest["at"], newest["sound"], newest["faults"]) == ("2014-11-11T02:35:00Z", False, [FAULT])
    assert oldest == {
        "id": audits[0].pk,
        "at": "2014-11-10T02:35:00Z",
        "sound": True,
        "faults": [],
        "decision_count": 6,
        "model_count": 4,
        "head": audits[0].head,
    }
    assert client.get(API, {"sound": "false"}).json()["results"] == [newest]
    assert client.post(API, {}).status_code == 405


def test_an_audit_that_could_not_be_done_is_shown_as_broken(
    history: list[ModelVersion],
    browser: Callable[[str | None], Client],
    make_user: Callable[..., User],
    client_of: Callable[[User], APIClient],
) -> None:
    with tampering() as execute:
        execute("UPDATE registry_decision SET at = 'infinity' WHERE number = 4")
    record_audit(at=AT)
    assert "Broken the audit could not be done: DataError" in text(browser("approver").get(AUDITS))
    (told,) = client_of(make_user("service")).get(API).json()["results"]
    assert (told["sound"], told["head"], told["decision_count"]) == (False, "", None)


def test_an_alert_about_all_decisions_is_looked_after(
    history: list[ModelVersion],
    browser: Callable[[str | None], Client],
    make_user: Callable[..., User],
    client_of: Callable[[User], APIClient],
) -> None:
    ensure_default_rules()
    with tampering() as execute:
        execute("UPDATE registry_decision SET at = 'infinity' WHERE number = 4")
    record_audit(at=AT)
    alert = Alert.objects.get()
    client, page = browser("operator"), reverse("admin:alerts_alert_acknowledge", args=(alert.pk,))
    assert "record of decisions all series" in text(client.get(reverse("admin:alerts_alert_changelist")))
    question = client.get(page)
    assert "The record of decisions of all series : fatal" in text(question)
    assert f'href="{AUDITS}"' in question.content.decode()
    shown = text(client.post(page, follow=True))
    assert "You look after the record of decisions." in shown
    assert "the audit could not be done" in shown
    (told,) = client_of(make_user("operator")).get("/api/v1/alerts/", {"signal": "audit_broken"}).json()["results"]
    assert (told["series"], told["engine"], told["state"], told["source"]) == (None, "audit", "acknowledged", None)
