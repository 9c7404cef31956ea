"""Alerts about the forecasts of a series: a deadline with nothing published, accuracy that was lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from portal.alerts import outbox
from portal.alerts.models import Alert, AlertRule, OutboxMessage
from portal.alerts.operations import acknowledge_alert, evaluate_forecasts
from portal.quality.models import CheckRun
from portal.series.models import Series
from tests.portal.alerts.conftest import AT

if TYPE_CHECKING:
    from tests.portal.alerts.conftest import MailServer

NEAR, LOST = AlertRule.Signal.DEADLINE_NEAR, AlertRule.Signal.ACCURACY_LOST
MESSAGE = "The guard published run 7 (seasonal naive) for 2014-10-12: <nothing> came."
pytestmark = pytest.mark.usefixtures("rule")


@pytest.mark.parametrize(
    ("signal", "subject", "pages"),
    [
        (
            NEAR,
            "Fatal: victoria, nothing published before the deadline",
            ("forecasts/deadlinerecord/?series__id__exact={pk}", "forecasts/forecastrun/?series__id__exact={pk}"),
        ),
        (
            LOST,
            "Warning: victoria, forecasts are worse than expected",
            ("forecasts/forecastscore/accuracy/victoria/", "forecasts/forecastrun/?series__id__exact={pk}"),
        ),
    ],
)
def test_the_mail_says_what_happened_what_it_means_and_where_to_look(
    series: Series, mail_server: MailServer, signal: AlertRule.Signal, subject: str, pages: tuple[str, ...]
) -> None:
    (alert,) = evaluate_forecasts(signal, series, failing=True, message=MESSAGE, at=AT)
    outbox.sweep(clock=lambda: AT)
    (mail,) = mail_server.received
    assert mail["Subject"] == f"[Gridcast] {subject}"
    base = "https://portal.example.org/admin"
    for kind in ("plain", "html"):
        body = mail.get_body((kind,))
        assert body is not None
        text = " ".join(body.get_content().replace("&lt;", "<").replace("&gt;", ">").replace("&#x27;", "'").split())
        assert MESSAGE in text
        assert "Sat 11 Oct 2014, 01:00 AEDT" in text
        assert f"{base}/alerts/alert/{alert.pk}/acknowledge/" in text
        assert f"{base}/alerts/alertrule/{alert.rule_id}/change/" in text
        for page in pages:
            assert f"{base}/{page.format(pk=series.pk)}" in text
    assert "<nothing>" not in OutboxMessage.objects.get().html


def test_it_resolves_with_a_mail_in_the_same_thread(series: Series) -> None:
    evaluate_forecasts(NEAR, series, failing=True, message=MESSAGE, at=AT)
    evaluate_forecasts(NEAR, series, failing=True, message="still nothing", at=AT)
    assert (OutboxMessage.objects.count(), Alert.objects.get().message) == (1, "still nothing")
    evaluate_forecasts(NEAR, series, failing=False, message="Run 8 covers the day.", at=AT + timedelta(hours=1))
    fired, resolved = OutboxMessage.objects.order_by("pk")
    assert (resolved.kind, resolved.in_reply_to) == ("resolved", fired.message_id)
    assert resolved.subject == "[Gridcast] Resolved: victoria, published after all"
    assert "Run 8 covers the day." in resolved.text
    assert "Acknowledge" not in resolved.text + resolved.html


def test_the_alert_of_a_rule_disabled_since_resolves_in_silence(series: Series) -> None:
    evaluate_forecasts(LOST, series, failing=True, message=MESSAGE, at=AT)
    AlertRule.objects.update(enabled=False)
    evaluate_forecasts(LOST, series, failing=False, message="fine", at=AT)
    assert Alert.objects.get().state == "resolved"
    assert OutboxMessage.objects.count() == 1


@pytest.mark.parametrize("minimum", ["fatal", "warning"])
@pytest.mark.parametrize("signal", [NEAR, LOST])
def test_a_signal_of_one_severity_fires_whatever_severity_of_checks_the_rule_asks_for(
    series: Series, signal: AlertRule.Signal, minimum: str
) -> None:
    AlertRule.objects.update(minimum_severity=minimum)
    assert len(evaluate_forecasts(signal, series, failing=True, message=MESSAGE, at=AT)) == 1


def test_a_new_occasion_mails_again_and_takes_the_alert_from_who_acknowledged_it(
    series: Series, operator: User
) -> None:
    (alert,) = evaluate_forecasts(NEAR, series, failing=True, message=MESSAGE, at=AT, occasion="2014-10-12")
    acknowledge_alert(alert, by=operator, at=AT)
    assert evaluate_forecasts(NEAR, series, failing=True, message="again", at=AT, occasion="2014-10-12") == []
    assert Alert.objects.get().state == "acknowledged"
    assert len(evaluate_forecasts(NEAR, series, failing=True, message="next", at=AT, occasion="2014-10-13")) == 1
    alert = Alert.objects.get()
    assert (alert.state, alert.acknowledged_by, alert.message, alert.fired_at) == ("firing", None, "next", AT)
    first, second = OutboxMessage.objects.order_by("pk")
    assert (second.kind, second.in_reply_to) == ("fired", first.message_id)
    assert "next" in second.text


def test_a_new_occasion_is_not_mailed_by_a_rule_that_was_disabled_since(series: Series) -> None:
    evaluate_forecasts(NEAR, series, failing=True, message=MESSAGE, at=AT, occasion="2014-10-12")
    AlertRule.objects.update(enabled=False)
    assert evaluate_forecasts(NEAR, series, failing=True, message="next", at=AT, occasion="2014-10-13") == []
    assert OutboxMessage.objects.count() == 1


@pytest.mark.parametrize(
    ("occasion", "title", "meaning"),
    [
        ("2014-10-12", "published after all", "by the pipeline after all"),
        ("2014-10-13", "published in time again", "of a later delivery day in time"),
    ],
)
def test_the_mail_of_the_resolution_says_whether_it_is_of_the_day_that_was_missed(
    series: Series, occasion: str, title: str, meaning: str
) -> None:
    evaluate_forecasts(NEAR, series, failing=True, message=MESSAGE, at=AT, occasion="2014-10-12")
    evaluate_forecasts(NEAR, series, failing=False, message="Run 8.", at=AT, occasion=occasion)
    mail = OutboxMessage.objects.get(kind="resolved")
    assert mail.subject == f"[Gridcast] Resolved: victoria, {title}"
    assert meaning in " ".join(mail.text.split())


def test_an_open_alert_about_forecasts_makes_its_rule_neither_fire_on_checks_nor_resolve_by_them(
    series: Series, rule: AlertRule, check: Callable[..., CheckRun]
) -> None:
    AlertRule.objects.filter(pk=rule.pk).update(enabled=False)
    evaluate_forecasts(NEAR, series, failing=True, message=MESSAGE, at=AT)
    check("failed")
    check("passed")
    alert = Alert.objects.get()
    assert (alert.engine, alert.state) == ("publication", "firing")


def test_an_operator_reads_and_acknowledges_it_in_the_admin_and_over_the_api(
    series: Series, operator: User, client_of: Callable[[User], APIClient]
) -> None:
    (alert,) = evaluate_forecasts(NEAR, series, failing=True, message=MESSAGE, at=AT)
    (told,) = client_of(operator).get("/api/v1/alerts/", {"signal": "deadline_near"}).json()["results"]
    assert (told["series"], told["engine"], told["message"], told["latest_run"]) == (
        *("victoria", "publication", MESSAGE),
        None,
    )
    browser = Client()
    browser.force_login(operator)
    page = reverse("admin:alerts_alert_acknowledge", args=(alert.pk,))
    assert "for 2014-10-12: &lt;nothing&gt; came" in browser.get(page).content.decode()
    shown = browser.post(page, follow=True).content.decode()
    assert "You look after the deadline of victoria." in shown
    assert "for 2014-10-12: &lt;nothing&gt; came" in shown
    assert "deadline" in browser.get(reverse("admin:alerts_alert_changelist")).content.decode()
