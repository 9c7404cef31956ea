"""``python -m portal load_catalog PATH``: series and sources from a JSON file. Run it as often as you like."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal.series.catalog import CatalogError, load_catalog


class Command(BaseCommand):
    help = "Make series and sources be as a JSON catalog says. Idempotent."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, metavar="PATH")

    def handle(self, *args: Any, path: Path, **options: Any) -> None:
        try:
            changes = load_catalog(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise CommandError(f"{path} cannot be read as JSON: {error}") from error
        except CatalogError as error:
            raise CommandError(f"{path}: {error}") from error
        for change in changes or ["nothing to do"]:
            self.stdout.write(f"catalog: {change}")
