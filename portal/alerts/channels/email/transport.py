"""One outbox message to the mail server of EMAIL_URL."""

from __future__ import annotations

import smtplib

from django.conf import settings
from django.core.mail import EmailMultiAlternatives

from portal.alerts.models import OutboxMessage
from portal.core.outbox import DeliveryFailed


def send(message: OutboxMessage) -> dict[str, str]:
    """Send `message` with its own Message-ID, as text and HTML; there is nothing to note.

    Raises DeliveryFailed, whatever went wrong.
    """
    headers = {"Message-ID": message.message_id, "Auto-Submitted": "auto-generated"}
    if message.in_reply_to:
        headers |= {"In-Reply-To": message.in_reply_to, "References": message.in_reply_to}
    mail = EmailMultiAlternatives(
        subject=message.subject,
        body=message.text,
        from_email=settings.ALERT_FROM_EMAIL,
        to=[message.recipient],
        headers=headers,
    )
    mail.attach_alternative(message.html, "text/html")
    try:
        mail.send()
    except (smtplib.SMTPConnectError, smtplib.SMTPServerDisconnected) as error:
        raise DeliveryFailed(_describe(error), server_reached=False) from error
    except (smtplib.SMTPException, ValueError) as error:
        raise DeliveryFailed(_describe(error), server_reached=True) from error
    except OSError as error:
        raise DeliveryFailed(_describe(error), server_reached=False) from error
    return {}


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
