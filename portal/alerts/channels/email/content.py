"""What all alert mails have in common: a subject of one line, two bodies, times on a clock and in UTC, links."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.conf import settings
from django.template import Context, Engine
from django.urls import reverse

_ENGINE = Engine(dirs=[str(Path(__file__).parent / "templates")])
_SUBJECT_LENGTH = 180


@dataclass(frozen=True)
class EmailContent:
    """A mail's subject and its two bodies."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True)
class Moment:
    """One time on a clock of people and in UTC."""

    local: str
    utc: str

    @classmethod
    def of(cls, when: datetime, timezone: ZoneInfo) -> Moment:
        local = when.astimezone(timezone)
        return cls(f"{local:%a %d %b %Y, %H:%M} {local:%Z}", f"{when.astimezone(ZoneInfo('UTC')):%Y-%m-%d %H:%M}Z")


def compose(template: str, *, subject: str, facts: Mapping[str, Any]) -> EmailContent:
    """The mail of a template, ``{template}.txt`` and ``{template}.html``."""
    # Names come from outside: whatever they hold, the header stays one line of bearable length.
    subject = " ".join(f"[Gridcast] {subject}".split())
    if len(subject) > _SUBJECT_LENGTH:
        subject = subject[: _SUBJECT_LENGTH - 1] + "…"
    context = {**facts, "subject": subject}
    return EmailContent(
        subject,
        _ENGINE.get_template(f"{template}.txt").render(Context(context, autoescape=False)).strip() + "\n",
        _ENGINE.get_template(f"{template}.html").render(Context(context)),
    )


def list_url(view: str, **filters: object) -> str:
    """A list of the portal, narrowed if at all, as people reach it from a mail."""
    query = f"?{urlencode(filters)}" if filters else ""
    return f"{settings.PORTAL_PUBLIC_URL.rstrip('/')}{reverse(view)}{query}"


def url(view: str, pk: int | str) -> str:
    """A page of the portal, as people reach it from a mail."""
    return settings.PORTAL_PUBLIC_URL.rstrip("/") + reverse(view, args=(pk,))
