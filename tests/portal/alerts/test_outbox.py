"""Mails leave once, survive outages of mail server and worker, and keep their Message-ID."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from django.db import connections

from portal.alerts import outbox
from portal.alerts.models import AlertRule, OutboxMessage
from portal.core.outbox import LEASE, backoff
from portal.quality.models import CheckRun

if TYPE_CHECKING:
    from tests.portal.alerts.conftest import MailServer

AT = datetime(2014, 10, 10, 14, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
Check = Callable[..., CheckRun]


def at(when: datetime) -> Callable[[], datetime]:
    return lambda: when


def test_a_due_mail_is_sent_and_marked(check: Check, rule: AlertRule, mail_server: MailServer) -> None:
    check("failed")
    assert outbox.sweep(clock=at(AT)) == 1
    message = OutboxMessage.objects.get()
    assert (message.sent_at, message.attempts, message.claim, message.leased_until) == (AT, 1, None, None)
    (mail,) = mail_server.received
    assert (mail["To"], mail["From"]) == ("olga@example.org", "gridcast@example.org")
    assert mail["Message-ID"] == message.message_id
    assert mail["Message-ID"].endswith("@portal.example.org>")
    assert mail["Auto-Submitted"] == "auto-generated"


def test_a_sent_mail_is_not_sent_again(check: Check, rule: AlertRule, mail_server: MailServer) -> None:
    check("failed")
    outbox.sweep(clock=at(AT))
    assert outbox.sweep(clock=at(AT + timedelta(days=1))) == 0
    assert len(mail_server.received) == 1


def test_each_recipient_gets_a_mail_of_their_own(check: Check, rule: AlertRule, mail_server: MailServer) -> None:
    AlertRule.objects.update(addresses=["desk@example.org"])
    check("failed")
    outbox.sweep(clock=at(AT))
    assert sorted(mail["To"] for mail in mail_server.received) == ["desk@example.org", "olga@example.org"]
    assert len({mail["Message-ID"] for mail in mail_server.received}) == 2


def test_the_resolved_mail_follows_the_fired_one_in_its_thread(
    check: Check, rule: AlertRule, mail_server: MailServer
) -> None:
    check("failed")
    check("passed", as_of=AT + MINUTE)
    outbox.sweep(clock=at(AT + MINUTE))
    fired, resolved = mail_server.received
    assert resolved["In-Reply-To"] == resolved["References"] == fired["Message-ID"]


@pytest.mark.parametrize("refusal", ["451 try again later", "554 no relaying"])
def test_a_refused_mail_is_tried_again_until_it_is_taken(
    check: Check, rule: AlertRule, mail_server: MailServer, refusal: str
) -> None:
    check("failed")
    mail_server.refusal = refusal
    outbox.sweep(clock=at(AT))
    message = OutboxMessage.objects.get()
    assert message.sent_at is None
    assert refusal[4:] in message.last_error
    assert message.next_attempt_at == AT + timedelta(seconds=30)

    assert outbox.sweep(clock=at(AT + timedelta(seconds=29))) == 0
    outbox.sweep(clock=at(AT + MINUTE))
    assert OutboxMessage.objects.get().next_attempt_at == AT + 2 * MINUTE

    mail_server.refusal = None
    outbox.sweep(clock=at(AT + 2 * MINUTE))
    message.refresh_from_db()
    assert (message.sent_at, message.attempts, message.last_error) == (AT + 2 * MINUTE, 3, "")
    assert [mail["Message-ID"] for mail in mail_server.received] == [message.message_id]


def test_a_mail_server_that_is_down_stops_the_sweep_and_loses_nothing(
    check: Check, rule: AlertRule, mail_server: MailServer
) -> None:
    AlertRule.objects.update(addresses=["desk@example.org", "night@example.org"])
    check("failed")
    mail_server.stop()
    assert outbox.sweep(clock=at(AT)) == 1
    assert OutboxMessage.objects.filter(sent_at=None).count() == 3
    mail_server.start()
    assert outbox.sweep(clock=at(AT + MINUTE)) == 3
    assert len(mail_server.received) == 3


def test_one_refused_recipient_does_not_hold_up_the_others(
    check: Check, rule: AlertRule, mail_server: MailServer
) -> None:
    AlertRule.objects.update(addresses=["desk@example.org"])
    check("failed")
    broken = OutboxMessage.objects.get(recipient="desk@example.org")
    OutboxMessage.objects.filter(pk=broken.pk).update(recipient="desk\n@example.org")
    assert outbox.sweep(clock=at(AT)) == 2
    assert [mail["To"] for mail in mail_server.received] == ["olga@example.org"]
    broken.refresh_from_db()
    assert broken.last_error
    assert broken.next_attempt_at == AT + timedelta(seconds=30)


def test_waiting_grows_to_a_quarter_of_an_hour_and_no_further() -> None:
    waits = [backoff(attempts).total_seconds() for attempts in (1, 2, 3, 4, 5, 6, 7, 500)]
    assert waits == [30, 60, 120, 240, 480, 900, 900, 900]


def test_a_claimed_mail_is_nobody_elses_until_its_lease_is_over(check: Check, rule: AlertRule) -> None:
    check("failed")
    assert outbox.claim(at=AT) is not None
    assert outbox.claim(at=AT + LEASE - timedelta(seconds=1)) is None
    again = outbox.claim(at=AT + LEASE)
    assert again is not None
    assert again.attempts == 2


def test_a_worker_killed_after_sending_leaves_a_duplicate_with_the_same_message_id(
    check: Check, rule: AlertRule, mail_server: MailServer
) -> None:
    """Killed between sending and marking: the lease runs out, the same content goes out again, and then it is done."""
    from portal.alerts.channels.email import send

    check("failed")
    claimed = outbox.claim(at=AT)
    assert claimed is not None
    send(claimed)

    assert outbox.sweep(clock=at(AT + MINUTE)) == 0
    assert outbox.sweep(clock=at(AT + LEASE)) == 1
    first, second = mail_server.received
    assert first["Message-ID"] == second["Message-ID"]
    assert first.get_body(("plain",)).get_content() == second.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert OutboxMessage.objects.get().sent_at == AT + LEASE


def test_a_try_that_outlived_its_lease_does_not_reschedule_what_another_holds(
    check: Check, rule: AlertRule, mail_server: MailServer
) -> None:
    check("failed")
    slow = outbox.claim(at=AT)
    other = outbox.claim(at=AT + LEASE)
    assert slow is not None
    assert other is not None
    mail_server.refusal = "451 busy"
    outbox.deliver(slow, clock=at(AT + LEASE))
    message = OutboxMessage.objects.get()
    assert (message.claim, message.last_error) == (other.claim, "")


@pytest.mark.django_db(transaction=True)
def test_workers_that_sweep_at_once_send_each_mail_once(
    check: Check, rule: AlertRule, operator: User, mail_server: MailServer
) -> None:
    AlertRule.objects.update(addresses=[f"desk{number}@example.org" for number in range(19)])
    check("failed")

    def sweep(_: int) -> int:
        try:
            return outbox.sweep(clock=at(AT))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        tries = list(pool.map(sweep, range(4)))
    assert sum(tries) == 20
    assert len({mail["Message-ID"] for mail in mail_server.received}) == len(mail_server.received) == 20
