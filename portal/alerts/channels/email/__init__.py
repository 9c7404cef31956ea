"""Alerts by mail: what a mail says (`content`, `templates/`) and how it leaves (`transport`)."""

from portal.alerts.channels.email.content import EmailContent, render
from portal.alerts.channels.email.transport import DeliveryFailed, send

__all__ = ["DeliveryFailed", "EmailContent", "render", "send"]
