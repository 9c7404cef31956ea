"""``python -m portal bootstrap --secrets FILE``: groups, people, the service token, the rules of alerts and retention.

FILE is JSON, ``{"users": {name: password}, "service_token": …}``; other keys in it are kept. Missing passwords and the
token are written back. Run it as often as you like.
"""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from portal.alerts.operations import ensure_default_rules
from portal.core.access import ensure_access
from portal.retention.operations import ensure_rules


class Command(BaseCommand):
    help = "Make groups, people, the service account with its token, and the default rules. Idempotent."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--secrets", type=Path, required=True, metavar="FILE", help="JSON; read and written back")

    def handle(self, *args: Any, secrets: Path, **options: Any) -> None:
        known = _read(secrets)
        with transaction.atomic():
            access = ensure_access(
                passwords=known.get("users", {}),
                service_token=known.get("service_token"),
                mail_domain=settings.ALERT_FROM_EMAIL.rpartition("@")[2].rstrip(">"),
            )
            ensure_default_rules()
            ensure_rules()
            # Within the transaction: a token that could not be written down would be lost.
            _write(secrets, {**known, "users": dict(access.passwords), "service_token": access.service_token})
        for change in access.changes or ["nothing to do"]:
            self.stdout.write(f"bootstrap: {change}")


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} cannot be read as JSON: {error}") from error
    users = known.get("users", {}) if isinstance(known, dict) else None
    if not isinstance(users, dict) or not all(isinstance(password, str) and password for password in users.values()):
        raise CommandError(f'{path} must be {{"users": {{name: password}}, "service_token": …}}')
    if not isinstance(known.get("service_token"), (str, type(None))):
        raise CommandError(f"{path}: service_token must be a text")
    return dict(known)


def _write(path: Path, content: dict[str, Any]) -> None:
    """Readable to its owner only, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(json.dumps(content, indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error}") from error
