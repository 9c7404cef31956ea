"""``python -m portal reproduce RUN …``: prove that runs of the deadline guard can be made again."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError

from portal.forecasts.deadlines.again import NotReproduced, NotReproducible, reproduce_run
from portal.forecasts.models import ForecastRun

DONE, DIFFERS, UNUSABLE = 0, 1, 2


class Command(BaseCommand):
    help = (
        "Make runs of the deadline guard again from what was known at their data cut-offs, and compare every value "
        "with the ledger. Exit status: 0 all are reproduced, 1 a run is not, 2 it could not be tried. Runs of the "
        "pipeline and of people are made again by `python -m include reproduce`."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("runs", nargs="+", type=int, metavar="RUN", help="id of a run of the ledger")

    def handle(self, *args: Any, runs: list[int], **options: Any) -> None:
        status = max([self._reproduce(run) for run in runs])
        if status != DONE:
            sys.exit(status)

    def _reproduce(self, run: int) -> int:
        """Verdicts go to standard output, what kept them from being reached to standard error."""
        try:
            made = reproduce_run(run)
        except ForecastRun.DoesNotExist:
            self.stderr.write(f"error: run {run}: there is no such run in the ledger")
            return UNUSABLE
        except DatabaseError as error:
            self.stderr.write(f"error: run {run}: {error}")
            return UNUSABLE
        except (NotReproduced, NotReproducible) as verdict:
            self.stdout.write(f"run {run}: NOT reproduced: {verdict}")
            return DIFFERS
        self.stdout.write(
            f"run {run} of {made.run.series}, {made.run.rung}: reproduced {made.run.value_count} values {made.origin}; "
            f"largest difference {made.largest_difference:.3g}"
        )
        return DONE
