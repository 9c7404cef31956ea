"""What the database refuses, whichever code asks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from portal.registry.models import Decision, ModelVersion
from portal.registry.operations import approve_model

AT = datetime(2014, 11, 2, 9, tzinfo=UTC)
Register = Callable[..., ModelVersion]
People = dict[str, User]


def _update(model: ModelVersion, **values: object) -> None:
    with transaction.atomic():
        ModelVersion.objects.filter(pk=model.pk).update(**values)


def test_a_second_champion_of_a_series_is_refused(candidate: Register, people: People) -> None:
    first, second = candidate("a"), candidate("b")
    approve_model(first, by=people["approver"], reason="good", at=AT)
    with pytest.raises(IntegrityError, match="registry_one_champion_per_series"):
        _update(second, status="champion", approved_by=people["approver"], approved_at=AT)


def test_the_trainer_as_approver_is_refused(candidate: Register, people: People) -> None:
    with pytest.raises(IntegrityError, match="registry_four_eyes"):
        _update(candidate(), status="champion", approved_by=people["forecaster"], approved_at=AT)


def test_a_champion_without_an_approver_is_refused(candidate: Register) -> None:
    with pytest.raises(IntegrityError, match="registry_live_models_are_approved"):
        _update(candidate(), status="champion")


def test_an_approval_by_the_trainer_cannot_be_recorded(candidate: Register, people: People) -> None:
    with pytest.raises(IntegrityError, match="cannot put it live"), transaction.atomic():
        Decision.objects.create(model=candidate(), decision="approve", by=people["forecaster"], reason="my own", at=AT)


@pytest.mark.parametrize(
    ("fact", "value"),
    [
        ("artifact_sha256", "cd" * 32),
        ("artifact_uri", "file:///elsewhere"),
        ("evidence", {"metrics": {"mae": 1.0}}),
        ("training_key", "another"),
        ("version", 7),
        ("data_cutoff", AT),
    ],
)
def test_a_fact_of_a_model_cannot_be_changed(candidate: Register, fact: str, value: object) -> None:
    with pytest.raises(IntegrityError, match="are fixed since its registration"):
        _update(candidate(), **{fact: value})


def test_the_trainer_of_a_model_cannot_be_replaced(candidate: Register, people: People) -> None:
    with pytest.raises(IntegrityError, match="are fixed since its registration"):
        _update(candidate(), trained_by=people["pipeline"])


def test_a_decided_model_cannot_become_a_candidate_again(candidate: Register, people: People) -> None:
    model = approve_model(candidate(), by=people["approver"], reason="good", at=AT)
    with pytest.raises(IntegrityError, match="cannot go from champion to candidate"):
        _update(model, status="candidate", approved_by=None, approved_at=None)


def test_a_model_cannot_be_deleted(candidate: Register) -> None:
    model = candidate()
    with pytest.raises(IntegrityError, match="cannot be deleted"), transaction.atomic():
        model.delete()


def test_a_decision_cannot_be_changed_or_deleted(candidate: Register, people: People) -> None:
    decision = approve_model(candidate(), by=people["approver"], reason="good", at=AT).decisions.get()
    with pytest.raises(IntegrityError, match="cannot be changed"), transaction.atomic():
        Decision.objects.filter(pk=decision.pk).update(reason="better")
    with pytest.raises(IntegrityError, match="cannot be changed"), transaction.atomic():
        decision.delete()
