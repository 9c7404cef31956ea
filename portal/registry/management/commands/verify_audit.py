"""``python -m portal verify_audit [--head NUMBER:SHA256]``: are the decisions about models what was recorded?

Note the head that it prints somewhere that the database's administrators do not reach, and give it the next time: what
was removed or rewritten up to it is found then.
"""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal.registry.audit import Head, audit


def _head(text: str) -> Head:
    match = re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", text)
    if match is None:
        raise ArgumentTypeError(f"{text!r} is no head: NUMBER:SHA256, as an earlier run printed it")
    return Head(number=int(match[1]), sha256=match[2])


class Command(BaseCommand):
    help = "Check the chain of decisions about models, and every model's status against it. Exits 1 on a break."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--head", type=_head, metavar="NUMBER:SHA256", help="a head noted earlier")

    def handle(self, *args: Any, head: Head | None, **options: Any) -> None:
        found = audit(head)
        self.stdout.write(f"head {found.head}")
        if found.faults:
            raise CommandError("The record is broken.\n" + "\n".join(map(str, found.faults)))
        self.stdout.write(f"sound: {found.head.number} decisions about {found.models} models follow from each other")
