"""What an operator reads at three in the morning."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from portal.alerts import outbox
from portal.alerts.models import Alert, AlertRule, OutboxMessage
from portal.quality.models import CheckRun

if TYPE_CHECKING:
    from tests.portal.alerts.conftest import MailServer

AT = datetime(2014, 10, 10, 14, tzinfo=UTC)
Check = Callable[..., CheckRun]


def test_the_mail_says_what_failed_by_how_much_when_and_where_to_look(
    check: Check, rule: AlertRule, mail_server: MailServer
) -> None:
    run = check("failed")
    outbox.sweep(clock=lambda: AT)
    (mail,) = mail_server.received
    alert = Alert.objects.get()
    assert mail["Subject"] == "[Gridcast] Fatal: victoria, check missing_share failed"
    bodies = [mail.get_body((kind,)) for kind in ("plain", "html")]
    for body in bodies:
        assert body is not None
        text = body.get_content()
        for fact in (
            "missing_share",
            "0.1231",
            "0.05",
            "41 of 336 half-hours are missing",
            "victoria",
            "Australia/Melbourne",
            "2014-10-03 13:00Z",
            "2014-10-10 13:00Z",
            "no model is trained on it, and the approved one does not forecast from it",
            f"https://portal.example.org/admin/quality/checkrun/{run.pk}/change/",
            f"https://portal.example.org/admin/alerts/alert/{alert.pk}/acknowledge/",
            f"https://portal.example.org/admin/alerts/alertrule/{rule.pk}/change/",
        ):
            assert fact in " ".join(text.split()), fact


def test_the_period_is_on_the_local_clock_across_a_change_of_time(check: Check, rule: AlertRule) -> None:
    """Melbourne put its clocks forward on 5 October 2014, within the week that was checked."""
    check("failed")
    text = OutboxMessage.objects.get().text
    assert "Fri 03 Oct 2014, 23:00 AEST to Sat 11 Oct 2014, 00:00 AEDT" in text


def test_a_warning_does_not_speak_of_distrust(check: Check, rule: AlertRule) -> None:
    AlertRule.objects.update(minimum_severity="warning")
    check("failed", severity="warning")
    message = OutboxMessage.objects.get()
    assert message.subject.startswith("[Gridcast] Warning: ")
    assert "Training and publication go on" in " ".join(message.text.split())


def test_the_resolved_mail_says_that_nothing_is_left_to_do(check: Check, rule: AlertRule) -> None:
    check("failed")
    check("passed", as_of=AT + timedelta(hours=1), value=0.01)
    message = OutboxMessage.objects.get(kind="resolved")
    assert "Nothing is left to do" in message.text
    assert "Value 0.01, threshold 0.05" in message.text
    assert "Acknowledge" not in message.text + message.html


def test_markup_in_a_message_is_shown_and_not_run(check: Check, rule: AlertRule) -> None:
    check("failed", message="<script>alert(1)</script> & more")
    message = OutboxMessage.objects.get()
    assert "<script>alert(1)</script> & more" in message.text
    assert "<script>" not in message.html
    assert "&lt;script&gt;" in message.html


def test_a_check_name_cannot_add_headers_or_outgrow_the_subject(
    check: Check, rule: AlertRule, mail_server: MailServer
) -> None:
    check("failed", name="x\r\nBcc: all@example.org" + "y" * 100)
    outbox.sweep(clock=lambda: AT)
    (mail,) = mail_server.received
    assert mail["Bcc"] is None
    assert "x Bcc: all@example.org" in mail["Subject"]
    assert len(OutboxMessage.objects.get().subject) <= 180
