"""What happens to model versions: registered once, decided once, by the right person.

Every function is one transaction. Registrations and decisions of one series queue at the lock of its row, so versions
have no holes and two approvers at once end with one champion. A model that goes live is published at once: the run of
Airflow is asked for in the same transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max, Q

from portal.core.permissions import require
from portal.pipeline.operations import request_publication
from portal.registry.challenge import APPROVE, by_rule
from portal.registry.models import ApprovalRule, Decision, ModelVersion
from portal.registry.queries import champion_of, retired_last_first
from portal.series.models import Series

_log = logging.getLogger(__name__)


class RegistryError(Exception):
    """A registry operation that was refused; the message says why and is fit to be shown."""


class SelfApprovalRefused(RegistryError):
    """Four eyes: who triggered a training does not approve its model."""


class AlreadyDecided(RegistryError):
    """Somebody decided before: the model is no candidate, or no champion, any more."""


class NoEarlierChampion(RegistryError):
    """Nothing to roll back to: the series has no retired champion, or the model named is none."""


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

    A candidate that its series' approval rule lets through is approved in the same transaction. Returns the model
    version and whether it is new. Raises NotPermitted.
    """
    require(by, "registry.add_modelversion", doing="register models")
    with transaction.atomic():
        _lock_series(series)
        registered = ModelVersion.objects.filter(series=series, training_key=training.training_key).first()
        if registered is not None:
            return registered, False
        newest = ModelVersion.objects.filter(series=series).aggregate(newest=Max("version"))["newest"] or 0
        model = ModelVersion.objects.create(
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
        )
        _approve_by_rule(model)
        return model, True


def approve_model(model: ModelVersion, *, by: User, reason: str, at: datetime) -> ModelVersion:
    """Make a candidate the champion of its series; the champion so far retires in the same transaction.

    Returns the model as stored. Raises NotPermitted, ReasonMissing, SelfApprovalRefused, AlreadyDecided.
    """
    require(by, APPROVE, doing="approve models")
    reason = _stated(reason)
    with transaction.atomic():
        candidate = _lock_candidate(model)
        if candidate.trained_by_id == by.pk:
            raise SelfApprovalRefused(
                f"{candidate} was trained by {by}, who cannot approve it: another approver has to decide."
            )
        _approve(candidate, by=by, reason=reason, at=at)
        return candidate


def require_candidate(model: ModelVersion) -> None:
    """Raise AlreadyDecided, with who decided what, unless something is left to decide about `model`."""
    if model.status != ModelVersion.Status.CANDIDATE:
        raise AlreadyDecided(
            f"{model} is {model.get_status_display().lower()} already{_by_whom(model)}: only a candidate can be "
            "decided about."
        )


def require_champion(model: ModelVersion) -> None:
    """Raise AlreadyDecided, with who decided what, unless `model` publishes its series now."""
    if model.status != ModelVersion.Status.CHAMPION:
        raise AlreadyDecided(
            f"{model} is {model.get_status_display().lower()}{_by_whom(model)}: only a champion can be rolled back."
        )


def roll_back(
    champion: ModelVersion, *, by: User, reason: str, at: datetime, to: ModelVersion | None = None
) -> ModelVersion:
    """Make an earlier champion champion again in place of `champion`, which retires.

    `to` is a retired version of the same series, by default the one that was replaced last by a better one: not one
    that was itself rolled back from. Who trained it cannot put it live again, as with an approval. Returns the new
    champion as stored.
    Raises NotPermitted, ReasonMissing, AlreadyDecided, NoEarlierChampion, SelfApprovalRefused.
    """
    require(by, "registry.rollback_modelversion", doing="roll back models")
    reason = _stated(reason)
    with transaction.atomic():
        present = _lock_model(champion)
        require_champion(present)
        earlier = retired_last_first(present.series_id)
        chosen = Q(withdrawn=False) if to is None else Q(pk=to.pk)
        restored = earlier.filter(chosen).first()
        if restored is None:
            raise NoEarlierChampion(
                f"{present.series} has no earlier champion to roll back to."
                if to is None
                else f"{to} is no retired champion of {present.series}: it cannot be rolled back to."
            )
        if restored.trained_by_id == by.pk:
            raise SelfApprovalRefused(
                f"{restored} was trained by {by}, who cannot put it live again: another approver has to decide."
            )
        told = f"Rolled back to version {restored.version}: {reason}"
        _retire(present, Decision.Kind.WITHDRAW, by=by, reason=told, at=at)
        restored.status = ModelVersion.Status.CHAMPION
        restored.save(update_fields=("status",))
        _put_live(restored, Decision.Kind.ROLLBACK, by=by, reason=reason, at=at)
        return restored


def set_approval_rule(
    series: Series, *, enabled: bool, margin: float, by: User, reason: str, at: datetime
) -> ApprovalRule:
    """Say whether, and by which margin, candidates of `series` are approved in the name of `by`.

    Raises NotPermitted, ReasonMissing, ValidationError.
    """
    require(by, APPROVE, doing="set an approval rule")
    reason = _stated(reason)
    with transaction.atomic():
        _lock_series(series)
        rule = ApprovalRule.objects.filter(series=series).first() or ApprovalRule(series=series)
        rule.enabled, rule.margin, rule.set_by, rule.set_at, rule.reason = enabled, margin, by, at, reason
        rule.full_clean()
        rule.save()
        return rule


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


def _approve_by_rule(model: ModelVersion) -> None:
    rule = ApprovalRule.objects.select_related("set_by").filter(series=model.series_id, enabled=True).first()
    if rule is None:
        return
    found = by_rule(rule, model, champion_of(model.series_id))
    if not found.won:
        _log.info("%s waits for an approver: %s", model, found.text)
        return
    reason = f"By the rule of {rule.set_by} ({rule.margin:.1%} on every segment): {found.text}"
    _approve(model, by=rule.set_by, reason=reason, at=model.registered_at, automatic=True)


def _approve(model: ModelVersion, *, by: User, reason: str, at: datetime, automatic: bool = False) -> None:
    champion = champion_of(model.series_id)
    if champion is not None:
        reason_of_it = f"Replaced by version {model.version}: {reason}"
        _retire(champion, Decision.Kind.RETIRE, by=by, reason=reason_of_it, at=at, automatic=automatic)
    model.status, model.approved_by, model.approved_at = ModelVersion.Status.CHAMPION, by, at
    model.save(update_fields=("status", "approved_by", "approved_at"))
    _put_live(model, Decision.Kind.APPROVE, by=by, reason=reason, at=at, automatic=automatic)


def _retire(
    model: ModelVersion, kind: Decision.Kind, *, by: User, reason: str, at: datetime, automatic: bool = False
) -> None:
    model.status = ModelVersion.Status.RETIRED
    model.save(update_fields=("status",))
    Decision.objects.create(model=model, decision=kind, by=by, reason=reason, at=at, automatic=automatic)


def _put_live(
    model: ModelVersion, kind: Decision.Kind, *, by: User, reason: str, at: datetime, automatic: bool = False
) -> None:
    decision = Decision.objects.create(model=model, decision=kind, by=by, reason=reason, at=at, automatic=automatic)
    request_publication(
        model.series,
        key=f"decision-{decision.pk}",
        reason=f"{kind.label} version {model.version}: {reason}",
        by=by,
        at=at,
    )


def _by_whom(model: ModelVersion) -> str:
    decision = model.decisions.select_related("by").last()
    if decision is None:
        return ""
    return f" ({decision.get_decision_display().lower()} by {decision.by} at {decision.at:%Y-%m-%d %H:%M} UTC)"


def _stated(reason: str) -> str:
    reason = reason.strip()
    if not reason:
        raise ReasonMissing("A decision needs a reason: say in a sentence what it rests on.")
    return reason


def _lock_series(series: Series | int) -> None:
    """NO KEY: rows that merely refer to the series need not wait."""
    pk = series if isinstance(series, int) else series.pk
    Series.objects.select_for_update(no_key=True).get(pk=pk)


def _lock_model(model: ModelVersion) -> ModelVersion:
    _lock_series(model.series_id)
    return ModelVersion.objects.select_for_update(of=("self",), no_key=True).select_related("series").get(pk=model.pk)


def _lock_candidate(model: ModelVersion) -> ModelVersion:
    locked = _lock_model(model)
    require_candidate(locked)
    return locked
