"""The chain of decisions, recomputed from the rows as they are now.

A link's SHA-256 is over these lines, joined by newlines, in UTF-8: the SHA-256 before it (64 zeros before the first),
its number, the model's id, the SHA-256 of its artifact, that of its evidence (as PostgreSQL writes the JSON), who
trained it (id), the decision, who decided (id), when (UTC, microseconds), ``automatic`` or ``person``, and the reason.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Func, TextField
from django.db.models.functions import Cast

from portal.registry.models import Decision, ModelVersion

GENESIS = "0" * 64
_STATUS_AFTER = {
    None: ModelVersion.Status.CANDIDATE,
    Decision.Kind.APPROVE: ModelVersion.Status.CHAMPION,
    Decision.Kind.REJECT: ModelVersion.Status.REJECTED,
    Decision.Kind.RETIRE: ModelVersion.Status.RETIRED,
    Decision.Kind.WITHDRAW: ModelVersion.Status.RETIRED,
    Decision.Kind.ROLLBACK: ModelVersion.Status.CHAMPION,
}


class _TextSha256(Func):
    """The SHA-256 of a text in UTF-8. By PostgreSQL: the evidence of a model need not come along with each decision."""

    template = "encode(pg_catalog.sha256(convert_to(%(expressions)s, 'UTF8')), 'hex')"
    output_field = TextField()


@dataclass(frozen=True, kw_only=True)
class Head:
    """A link of the chain by its number; number 0 is before the first decision."""

    number: int = 0
    sha256: str = GENESIS

    def __str__(self) -> str:
        return f"{self.number}:{self.sha256}"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that is broken: `series` is the id of the one whose model it is about, None where nobody can tell."""

    text: str
    series: int | None = None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What was found: how many decisions and models, the newest link, and what is broken, the first first."""

    decisions: int
    models: int
    head: Head
    faults: list[Fault]


def audit(noted: Head | None = None) -> Audit:
    """Check every decision against the one before, every model against its decisions, and the chain against `noted`.

    `noted` is a head that an earlier audit gave and that was kept elsewhere: it must still be a link of the chain.
    All is read in one statement, so a decision taken meanwhile is in it wholly or not at all.
    """
    facts = list(
        ModelVersion.objects.order_by("decisions__number", "pk").values(
            "id",
            "series_id",
            "series__slug",
            "version",
            "status",
            "approved_by_id",
            "approved_at",
            "artifact_sha256",
            "trained_by_id",
            *(f"decisions__{name}" for name in ("number", "decision", "by_id", "reason", "at", "automatic")),
            "decisions__previous_sha256",
            "decisions__sha256",
            evidence_sha256=_TextSha256(Cast("evidence", TextField())),
        )
    )
    links = [row for row in facts if row["decisions__number"] is not None]
    newest = links[-1] if links else None
    head = Head(number=newest["decisions__number"], sha256=newest["decisions__sha256"]) if newest else Head()
    faults = [*_broken_links(links), *_not_the_noted(links, noted), *_unfounded(facts)]
    return Audit(decisions=len(links), models=len({row["id"] for row in facts}), head=head, faults=faults)


def _broken_links(links: Iterable[dict[str, Any]]) -> Iterator[Fault]:
    """The first break only: what follows it stands on it."""
    before = Head()
    for row in links:
        link = Head(number=row["decisions__number"], sha256=row["decisions__sha256"])
        name = f"decision {link.number} ({_told(row)})"
        if link.number != before.number + 1:
            yield Fault(text=f"decision {before.number + 1} is missing: {name} comes after decision {before.number}")
            return
        if row["decisions__previous_sha256"] != before.sha256:
            yield Fault(
                text=f"{name} does not follow decision {before.number}: it was taken after "
                f"{row['decisions__previous_sha256']}, and that one is {before.sha256}",
                series=row["series_id"],
            )
            return
        found = _sha256(row)
        if found != link.sha256:
            yield Fault(
                text=f"{name} is not what was recorded: the decision, its reason, person or time, or the artifact, "
                f"evidence or trainer of its model was altered (its SHA-256 is {found}, recorded was {link.sha256})",
                series=row["series_id"],
            )
            return
        before = link


def _not_the_noted(links: Iterable[dict[str, Any]], noted: Head | None) -> Iterator[Fault]:
    """Of which series cannot be told: what was removed is gone, and who rewrote a link may have rewritten them all."""
    known = {0: GENESIS} | {row["decisions__number"]: row["decisions__sha256"] for row in links}
    if noted is None or known.get(noted.number) == noted.sha256:
        return
    if noted.number in known:
        found = known[noted.number]
        yield Fault(text=f"decision {noted.number} is another than the one noted: {found}, noted was {noted.sha256}")
    else:
        text = f"decision {noted.number} is missing: it was noted, and the chain ends at decision {max(known)}"
        yield Fault(text=text)


def _unfounded(facts: Iterable[dict[str, Any]]) -> Iterator[Fault]:
    """Models whose status or approval does not follow from their decisions."""
    newest: dict[int, dict[str, Any]] = {}
    approvals: dict[int, tuple[int, datetime]] = {}
    for row in facts:
        newest[row["id"]] = row
        if row["decisions__decision"] == Decision.Kind.APPROVE:
            approvals[row["id"]] = row["decisions__by_id"], row["decisions__at"]
    for pk, row in sorted(newest.items()):
        name, series = f"{row['series__slug']} v{row['version']}", row["series_id"]
        due = _STATUS_AFTER.get(row["decisions__decision"])
        if row["status"] != due:
            yield Fault(text=f"{name} is {row['status']}, and by its decisions it is {due}", series=series)
        if (row["approved_by_id"], row["approved_at"]) != approvals.get(pk, (None, None)):
            text = f"{name} was approved by another person or at another time than its decisions say"
            yield Fault(text=text, series=series)


def _sha256(row: dict[str, Any]) -> str:
    at = row["decisions__at"].astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    lines = (
        row["decisions__previous_sha256"],
        row["decisions__number"],
        row["id"],
        row["artifact_sha256"],
        row["evidence_sha256"],
        row["trained_by_id"],
        row["decisions__decision"],
        row["decisions__by_id"],
        f"{at}Z",
        "automatic" if row["decisions__automatic"] else "person",
        row["decisions__reason"],
    )
    return hashlib.sha256("\n".join(map(str, lines)).encode()).hexdigest()


def _told(row: dict[str, Any]) -> str:
    return f"{row['decisions__decision']} {row['series__slug']} v{row['version']}"
