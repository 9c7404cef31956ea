"""The pages of rules, alerts and mails, as an operator uses them."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from portal.alerts.models import Alert, AlertRule, OutboxMessage
from portal.quality.models import CheckRun

Check = Callable[..., CheckRun]


@pytest.fixture
def browser(operator: User) -> Client:
    client = Client()
    client.force_login(operator)
    return client


def acknowledge_page(alert: Alert) -> str:
    return reverse("admin:alerts_alert_acknowledge", args=(alert.pk,))


def test_the_link_in_the_mail_leads_to_a_page_that_asks_and_then_acknowledges(
    check: Check, rule: AlertRule, browser: Client, operator: User
) -> None:
    check("failed")
    alert = Alert.objects.get()
    assert acknowledge_page(alert) in OutboxMessage.objects.get().text
    question = browser.get(acknowledge_page(alert)).content.decode()
    assert "41 of 336 half-hours are missing" in question
    assert Alert.objects.get().state == "firing", "to look is not to acknowledge"

    response = browser.post(acknowledge_page(alert), follow=True)
    assert [str(message) for message in get_messages(response.wsgi_request)] == [
        "You look after “missing_share” of victoria."
    ]
    assert Alert.objects.get().acknowledged_by == operator
    assert acknowledge_page(alert) not in response.content.decode()


def test_acknowledging_twice_is_told_and_changes_nothing(check: Check, rule: AlertRule, browser: Client) -> None:
    check("failed")
    alert = Alert.objects.get()
    browser.post(acknowledge_page(alert), follow=True)
    before = Alert.objects.get().acknowledged_at
    response = browser.post(acknowledge_page(alert), follow=True)
    (message,) = get_messages(response.wsgi_request)
    assert str(message) == "The alert about “missing_share” of victoria is acknowledged by olga, not firing."
    assert Alert.objects.get().acknowledged_at == before
    question = browser.get(acknowledge_page(alert), follow=True)
    assert question.redirect_chain == [(reverse("admin:alerts_alert_change", args=(alert.pk,)), 302)]


def test_what_was_not_measured_is_a_dash_on_the_page_as_in_the_mail(
    check: Check, rule: AlertRule, browser: Client
) -> None:
    check("error", value=None, threshold=None)
    assert "Value –, threshold –." in browser.get(acknowledge_page(Alert.objects.get())).content.decode()


def test_several_alerts_are_acknowledged_from_the_list(check: Check, rule: AlertRule, browser: Client) -> None:
    check("failed")
    check("failed", name="flat_line")
    form = {"action": "acknowledge_selected", "_selected_action": [alert.pk for alert in Alert.objects.all()]}
    browser.post(reverse("admin:alerts_alert_changelist"), form)
    assert set(Alert.objects.values_list("state", flat=True)) == {"acknowledged"}


def test_who_only_reads_cannot_acknowledge(check: Check, rule: AlertRule, make_user: Callable[..., User]) -> None:
    check("failed")
    client = Client()
    client.force_login(make_user("forecaster"))
    assert client.post(acknowledge_page(Alert.objects.get())).status_code == 403
    assert Alert.objects.get().state == "firing"


def test_an_operator_silences_a_rule_on_its_page_and_the_history_names_them(
    rule: AlertRule, browser: Client, operator: User
) -> None:
    page = reverse("admin:alerts_alertrule_change", args=(rule.pk,))
    form = {"name": rule.name, "signal": "check_failed", "minimum_severity": "fatal", "notify_operators": "on"}
    assert browser.post(page, {**form, "addresses": "desk@example.org, night@example.org"}).status_code == 302
    rule.refresh_from_db()
    assert (rule.enabled, rule.addresses) == (False, ["desk@example.org", "night@example.org"])
    assert rule.history.first().history_user == operator
    history = browser.get(reverse("admin:alerts_alertrule_history", args=(rule.pk,)))
    assert history.status_code == 200
    assert "olga" in history.content.decode()


def test_the_page_refuses_a_bad_address_and_a_rule_that_mails_nobody(rule: AlertRule, browser: Client) -> None:
    page = reverse("admin:alerts_alertrule_change", args=(rule.pk,))
    form = {"name": rule.name, "signal": "check_failed", "minimum_severity": "fatal", "enabled": "on"}
    assert "valid email address" in browser.post(page, {**form, "addresses": "nobody"}).content.decode()
    assert "needs somebody to mail" in browser.post(page, form).content.decode()
    assert rule.history.count() == 1


def test_mails_can_be_read_with_their_fate_and_not_changed(check: Check, rule: AlertRule, browser: Client) -> None:
    check("failed")
    message = OutboxMessage.objects.get()
    OutboxMessage.objects.update(last_error="SMTPServerDisconnected: gone")
    listed = browser.get(reverse("admin:alerts_outboxmessage_changelist")).content.decode()
    assert re.search(r"failing", listed)
    page = reverse("admin:alerts_outboxmessage_change", args=(message.pk,))
    shown = browser.get(page).content.decode()
    assert "SMTPServerDisconnected: gone" in shown
    assert message.message_id.strip("<>") in shown
    assert browser.post(page, {"recipient": "x@example.org"}).status_code == 403
