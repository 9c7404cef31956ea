"""``python -m include reproduce RUN …``: prove that published runs can be made again, with the same numbers."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from include.errors import PipelineError, Refusal
from include.portal import NotFound, NotPermitted, Portal, PortalUnavailable
from include.portal.connection import open_portal
from include.settings import Settings, get_settings
from include.tasks.reproduce import reproduce_run

DONE, DIFFERS, UNUSABLE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status: 0 all reproduced, 1 a run is not, 2 it could not be tried."""
    options = _parser().parse_args(arguments)
    try:
        settings = get_settings()
        with _portal(options, settings) as portal:
            return max([_reproduce(portal, run, settings) for run in options.runs])
    except (Refusal, OSError) as error:
        return _say(f"error: {error}", UNUSABLE)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m include", description="The pipeline's tools for people.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    reproduce = commands.add_parser(
        "reproduce",
        help="make published runs again from their artifacts and what was known at their cut-offs",
        description="Make published runs again from their artifacts and what was known at their data cut-offs, and "
        "compare every value with the ledger. Exit status: 0 all are reproduced, 1 a run is not, 2 it could not be "
        "tried. The settings are the pipeline's own, GRIDCAST_ARTIFACTS_URL, GRIDCAST_CONTEXT_DAYS, GRIDCAST_HORIZON.",
    )
    reproduce.add_argument("runs", nargs="+", type=int, metavar="RUN", help="id of a run of the ledger")
    reproduce.add_argument(
        "--portal", metavar="URL", help="address of the portal; by default that of the Airflow connection"
    )
    reproduce.add_argument(
        "--token-file", type=Path, metavar="FILE", help="file that holds a token of the portal, with --portal"
    )
    return parser


def _portal(options: argparse.Namespace, settings: Settings) -> Portal:
    """The portal that the options name, or the variable of the Airflow connection; no task need run."""
    if (options.portal is None) != (options.token_file is None):
        raise Refusal("--portal and --token-file go together")
    if options.portal is None:
        variable = f"AIRFLOW_CONN_{settings.portal_conn_id.upper()}"
        if not os.environ.get(variable):
            raise Refusal(f"Which portal? Give --portal and --token-file, or set {variable}")
        return open_portal(settings)
    if not options.portal.startswith(("http://", "https://")):
        raise Refusal(f"--portal: {options.portal!r} does not start with http:// or https://")
    token = options.token_file.read_text(encoding="utf-8").strip()
    return Portal(
        options.portal, token=token, timeout_seconds=settings.portal_timeout_seconds, attempts=settings.portal_attempts
    )


def _reproduce(portal: Portal, run: int, settings: Settings) -> int:
    try:
        made = reproduce_run(portal, run, settings)
    except (NotFound, NotPermitted, PortalUnavailable) as error:
        return _say(f"error: run {run}: {error}", UNUSABLE)
    except PipelineError as error:
        return _say(f"run {run}: NOT reproduced: {error}", DIFFERS)
    return _say(
        f"run {run} of {made.series}, {made.rung}: reproduced {made.values.size} values {made.origin}; "
        f"largest difference {made.largest_difference:.3g}",
        DONE,
    )


def _say(text: str, status: int) -> int:
    """Verdicts go to standard output, what kept them from being reached to standard error."""
    stream = sys.stderr if status == UNUSABLE else sys.stdout
    stream.write(f"{text}\n")
    stream.flush()
    return status


if __name__ == "__main__":
    sys.exit(main())
