"""Keeping the store in order: the portal's retention, then the storage of models, which only the pipeline reaches."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from include.errors import Refusal
from include.portal import Portal
from include.run import Run
from include.settings import Settings
from include.stored_artifacts import Stored, remove_artifact, stored_artifacts, stored_studies
from include.times import read_time

_log = logging.getLogger(__name__)
MOST_EXAMPLES = 100


class RetentionHeld(Refusal):
    """A rule would have deleted more than half of all; somebody has to say that this is meant."""


def maintain_store(run: Run) -> dict[str, Any]:
    """Follow the portal's retention rules as of the run's time; a dry run only counts. Done again, it finds less.

    Returns:
        The portal's retention run, and per kind of record what was found and deleted.

    Raises:
        RetentionHeld: after all else is done, naming the rules that were held.
    """
    dry_run, confirmed = bool(run.params.get("dry_run")), bool(run.params.get("confirm"))
    retention = run.portal.begin_retention(as_of=run.as_of, dry_run=dry_run, confirm=confirmed, airflow=run.airflow)
    while retention["state"] == "running":
        retention = run.portal.advance_retention(retention["id"])
        _log.info("retention run %s: %s", retention["id"], _counts(retention, "deleted"))
    outcomes = clean_storage(
        run.portal, retention["outcomes"], dry_run=dry_run, confirmed=confirmed, settings=run.settings
    )
    if outcomes:
        retention = run.portal.report_retention(retention["id"], outcomes)
    held = [outcome["kind"] for outcome in retention["outcomes"] if outcome["held"]]
    if held and not dry_run:
        raise RetentionHeld(
            f"Retention run {retention['id']}: {', '.join(held)} would lose more than half of all and were left alone. "
            "Look at the rules in the portal; if that is meant, run this DAG with “confirm”. Of stored models, none is "
            "removed where this portal registers none of them, confirmed or not: GRIDCAST_ARTIFACTS_URL would be that "
            "of another portal, or this one be restored from an older backup"
        )
    found, deleted = _counts(retention, "found"), _counts(retention, "deleted")
    return {"retention_run": retention["id"], "dry_run": dry_run, "found": found, "deleted": deleted}


def clean_storage(
    portal: Portal, outcomes: Iterable[Mapping[str, Any]], *, dry_run: bool, confirmed: bool, settings: Settings
) -> list[dict[str, Any]]:
    """Find and, unless `dry_run`, remove what the rules among `outcomes` say; returns what to report about each."""
    cutoffs = {outcome["kind"]: read_time(outcome["cutoff"], name="the cut-off") for outcome in outcomes}
    reported = []
    if {"orphaned_artifacts", "rejected_artifacts"} & cutoffs.keys():
        # Listed before the registered ones: what is registered in between is then known.
        stored = list(stored_artifacts(settings.artifacts_url))
        registered = list(portal.registered_artifacts())
        if "orphaned_artifacts" in cutoffs:
            before = cutoffs["orphaned_artifacts"]
            orphans = _orphans(stored, registered, before=before)
            held = _is_held(orphans, stored, registered, confirmed=confirmed)
            # What killed trainings left is nobody's artifact, in whichever portal.
            going = [each for each in orphans if not (held and each.key)]
            gone = [] if dry_run else _remove(going, portal, statuses=(), before=before)
            reported.append(_report("orphaned_artifacts", orphans, gone, total=len(stored), held=held, dry_run=dry_run))
        if "rejected_artifacts" in cutoffs:
            before = cutoffs["rejected_artifacts"]
            rejected = _rejected(stored, registered, before=before)
            gone = [] if dry_run else _remove(rejected, portal, statuses=("rejected",), before=before)
            reported.append(_report("rejected_artifacts", rejected, gone, total=len(stored), dry_run=dry_run))
    if "unfinished_studies" in cutoffs:
        before = cutoffs["unfinished_studies"]
        folder = settings.tuning_folder
        studies = [] if folder is None else list(stored_studies(folder))
        old = [study for study in studies if study.written_at < before]
        gone = [] if dry_run else [each for each in old if remove_artifact(each, before=before, may=lambda: True)]
        reported.append(_report("unfinished_studies", old, gone, total=len(studies), dry_run=dry_run))
    return reported


def _is_held(
    orphans: Iterable[Stored],
    stored: Iterable[Stored],
    registered: Iterable[Mapping[str, Any]],
    *,
    confirmed: bool,
) -> bool:
    """Whether whole artifacts among the orphans may be those of another portal, or of this one after its backup.

    More than half of all are removed only if that is confirmed, and none, even so, where the portal registers none.
    """
    whole = [each for each in stored if each.key]
    known = _known(registered)
    ours = any((each.series, each.key) in known for each in whole)
    due = sum(1 for each in orphans if each.key)
    return due > 0 and (not ours or (not confirmed and 2 * due > len(whole)))


def _orphans(stored: Iterable[Stored], registered: Iterable[Mapping[str, Any]], *, before: datetime) -> list[Stored]:
    known = _known(registered)
    return [each for each in stored if (each.series, each.key) not in known and each.written_at < before]


def _known(registered: Iterable[Mapping[str, Any]]) -> set[tuple[str, ...]]:
    known: set[tuple[str, ...]] = set()
    for model in registered:
        # By key, and by where it lies: the storage may have moved since, and be known by another address.
        known |= {(model["series"], model["training_key"]), tuple(model["artifact_uri"].rstrip("/").split("/")[-2:])}
    return known


def _rejected(stored: Iterable[Stored], registered: Iterable[Mapping[str, Any]], *, before: datetime) -> list[Stored]:
    due = {
        (model["series"], model["training_key"])
        for model in registered
        if model["status"] == "rejected" and read_time(model["rejected_at"], name="rejected_at") < before
    }
    return [each for each in stored if (each.series, each.key) in due and each.written_at < before]


def _remove(due: Iterable[Stored], portal: Portal, *, statuses: Sequence[str], before: datetime) -> list[Stored]:
    """Remove artifacts, each only if the portal still knows no model of it, or only one of these statuses."""

    def may(each: Stored) -> Callable[[], bool]:
        def ask() -> bool:
            if not each.key:
                return True
            models = portal.registered_artifacts(series=each.series, training_key=each.key)
            return all(model["status"] in statuses for model in models)

        return ask

    gone = []
    for each in due:
        if remove_artifact(each, before=before, may=may(each)):
            _log.info("removed %s, written last at %s", each.url, each.written_at.isoformat())
            gone.append(each)
        else:
            _log.warning("%s is in use again and stays", each.url)
    return gone


def _report(
    kind: str, found: Sequence[Stored], gone: Sequence[Stored], *, total: int, dry_run: bool, held: bool = False
) -> dict[str, Any]:
    times = sorted(each.written_at.isoformat() for each in found)
    return {
        "kind": kind,
        "found": len(found),
        "total": total,
        "deleted": len(gone),
        "bytes": sum(each.bytes for each in found),
        "oldest": times[0] if times else None,
        "newest": times[-1] if times else None,
        "held": held,
        "finished": not (dry_run or held),
        "examples": [each.url for each in found[:MOST_EXAMPLES]],
    }


def _counts(retention: Mapping[str, Any], of: str) -> dict[str, int]:
    return {outcome["kind"]: outcome[of] for outcome in retention["outcomes"] if outcome[of]}
