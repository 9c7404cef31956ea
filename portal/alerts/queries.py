"""Reads on rules and alerts."""

from __future__ import annotations

from django.contrib.auth.models import User

from portal.alerts.models import AlertRule

OPERATORS = "operator"
"""The group whose active members a rule may mail."""


def recipients(rule: AlertRule) -> list[str]:
    """The addresses that `rule` mails, each once, however its letters are cased; explicit addresses first."""
    addresses = list(rule.addresses)
    if rule.notify_operators:
        addresses += (
            User.objects.filter(groups__name=OPERATORS, is_active=True)
            .exclude(email="")
            .order_by("username")
            .values_list("email", flat=True)
        )
    return list({address.casefold(): address for address in reversed(addresses)}.values())[::-1]
