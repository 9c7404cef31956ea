"""What happens to model versions: registered once, decided once, by the right person.

Every function is one transaction. Registrations and decisions of one series queue at the lock of its row, so versions
have no holes and two approvers at once end with one champion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max

from portal.core.permissions import require
from portal.registry.models import Decision, ModelVersion
from portal.series.models import Series


class RegistryError(Exception):
    """A registry operation that was refused; the message says why and is fit to be shown."""


class SelfApprovalRefused(RegistryError):
    """Four eyes: who triggered a training does not approve its model."""


class AlreadyDecided(RegistryError):
    """The model is no candidate any more."""


class ReasonMissing(RegistryError):
    """A decision without a reason."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """The facts of one training, as registered. Times are aware; the training period is half-open."""

    kind: str
    training_key: str
    artifact_uri: str
    artifact_sha256: str
    training_start: datetime
    training_end: datetime
    data_cutoff: datetime
    trained_by: User
    parameters: Mapping[str, Any] = field(default_factory=dict)
    features: Sequence[str] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)
    library_versions: Mapping[str, str] = field(default_factory=dict)
    code_version: str = ""
    airflow: Mapping[str, str] = field(default_factory=dict)


def register_candidate(series: Series, *, training: Training, by: User) -> tuple[ModelVersion, bool]:
    """Register a training as the next candidate of `series`; the same training key again gives the first registration.

    Returns the model version and whether it is new. Raises NotPermitted.
    """
    require(by, "registry.add_modelversion", doing="register models")
    with transaction.atomic():
        _lock_series(series)
        registered = ModelVersion.objects.filter(series=series, training_key=training.training_key).first()
        if registered is not None:
            return registered, False
        newest = ModelVersion.objects.filter(series=series).aggregate(newest=Max("version"))["newest"] or 0
        return (
            ModelVersion.objects.create(
                series=series,
                version=newest + 1,
                kind=training.kind,
                training_key=training.training_key,
                artifact_uri=training.artifact_uri,
                artifact_sha256=training.artifact_sha256,
                training_start=training.training_start,
                training_end=training.training_end,
                data_cutoff=training.data_cutoff,
                parameters=dict(training.parameters),
                features=list(training.features),
                evidence=dict(training.evidence),
                library_versions=dict(training.library_versions),
                code_version=training.code_version,
                airflow=dict(training.airflow),
                trained_by=training.trained_by,
            ),
            True,
        )


def approve_model(model: ModelVersion, *, by: User, reason: str, at: datetime) -> ModelVersion:
    """Make a candidate the champion of its series; the champion so far retires in the same transaction.

    Returns the model as stored. Raises NotPermitted, ReasonMissing, SelfApprovalRefused, AlreadyDecided.
    """
    require(by, "registry.approve_modelversion", doing="approve models")
    reason = _stated(reason)
    with transaction.atomic():
        candidate = _lock_candidate(model)
        if candidate.trained_by_id == by.pk:
            raise SelfApprovalRefused(
                f"{candidate} was trained by {by}, who cannot approve it: another approver has to decide."
            )
        champion = ModelVersion.objects.filter(series=candidate.series_id, status=ModelVersion.Status.CHAMPION).first()
        if champion is not None:
            champion.status = ModelVersion.Status.RETIRED
            champion.save(update_fields=("status",))
            Decision.objects.create(
                model=champion,
                decision=Decision.Kind.RETIRE,
                by=by,
                reason=f"Replaced by version {candidate.version}: {reason}",
                at=at,
            )
        candidate.status = ModelVersion.Status.CHAMPION
        candidate.approved_by = by
        candidate.approved_at = at
        candidate.save(update_fields=("status", "approved_by", "approved_at"))
        Decision.objects.create(model=candidate, decision=Decision.Kind.APPROVE, by=by, reason=reason, at=at)
        return candidate


def require_candidate(model: ModelVersion) -> None:
    """Raise AlreadyDecided, with what was decided, unless something is left to decide about `model`."""
    if model.status != ModelVersion.Status.CANDIDATE:
        raise AlreadyDecided(
            f"{model} is {model.get_status_display().lower()} already: only a candidate can be decided about."
        )


def reject_model(model: ModelVersion, *, by: User, reason: str, at: datetime) -> ModelVersion:
    """Reject a candidate. Trainers with the permission may reject their own.

    Returns the model as stored. Raises NotPermitted, ReasonMissing, AlreadyDecided.
    """
    require(by, "registry.reject_modelversion", doing="reject models")
    reason = _stated(reason)
    with transaction.atomic():
        candidate = _lock_candidate(model)
        candidate.status = ModelVersion.Status.REJECTED
        candidate.save(update_fields=("status",))
        Decision.objects.create(model=candidate, decision=Decision.Kind.REJECT, by=by, reason=reason, at=at)
        return candidate


def _stated(reason: str) -> str:
    reason = reason.strip()
    if not reason:
        raise ReasonMissing("A decision needs a reason: say in a sentence what it rests on.")
    return reason


def _lock_series(series: Series | int) -> None:
    """NO KEY: rows that merely refer to the series need not wait."""
    pk = series if isinstance(series, int) else series.pk
    Series.objects.select_for_update(no_key=True).get(pk=pk)


def _lock_candidate(model: ModelVersion) -> ModelVersion:
    _lock_series(model.series_id)
    locked = ModelVersion.objects.select_for_update(of=("self",), no_key=True).select_related("series").get(pk=model.pk)
    require_candidate(locked)
    return locked
