"""What the evidence rests on: who it was compared with, and the quality run of the training data."""

from __future__ import annotations

from dataclasses import dataclass

from portal.registry.evidence.reading import identifier, part


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The champion whose forecasts from the same origins stand in the evidence; None where it does not say."""

    pk: int | None
    version: int | None


def compared_with(evidence: object) -> Compared:
    """Who the model was compared with."""
    found = part(evidence, "champion_version")
    return Compared(pk=identifier(found, "id"), version=identifier(found, "version"))


def check_run_id(evidence: object) -> int | None:
    """The quality run of the training data."""
    return identifier(part(evidence, "check_run"), "id")
