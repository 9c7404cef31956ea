"""Who decides about candidates, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connections

from portal.core.permissions import NotPermitted
from portal.registry.models import Decision, ModelVersion
from portal.registry.operations import (
    AlreadyDecided,
    ReasonMissing,
    RegistryError,
    SelfApprovalRefused,
    approve_model,
    reject_model,
)
from portal.series.models import Series

AT = datetime(2014, 11, 2, 9, tzinfo=UTC)
Register = Callable[..., ModelVersion]
People = dict[str, User]


def test_approval_makes_the_candidate_champion_and_keeps_who_when_and_why(candidate: Register, people: People) -> None:
    model = approve_model(candidate(), by=people["approver"], reason=" Half the error of the baseline ", at=AT)
    model.refresh_from_db()
    assert (model.status, model.approved_by, model.approved_at) == ("champion", people["approver"], AT)
    decision = model.decisions.get()
    assert (decision.decision, decision.by, decision.at) == ("approve", people["approver"], AT)
    assert decision.reason == "Half the error of the baseline"


def test_approval_retires_the_champion_so_far(candidate: Register, people: People) -> None:
    first, second = candidate("a"), candidate("b")
    approve_model(first, by=people["approver"], reason="good", at=AT)
    approve_model(second, by=people["approver"], reason="better", at=AT)
    first.refresh_from_db()
    assert first.status == "retired"
    assert list(first.decisions.values_list("decision", "reason")) == [
        ("approve", "good"),
        ("retire", "Replaced by version 2: better"),
    ]


def test_champions_of_other_series_stay(
    candidate: Register, people: People, make_series: Callable[..., Series]
) -> None:
    other = candidate("a", of=make_series("england-wales"))
    approve_model(other, by=people["approver"], reason="good", at=AT)
    approve_model(candidate("b"), by=people["approver"], reason="good", at=AT)
    other.refresh_from_db()
    assert other.status == "champion"


def test_approval_by_the_trainer_is_refused_whatever_their_permissions(candidate: Register, people: People) -> None:
    trainer = people["forecaster"]
    trainer.is_superuser = True
    trainer.save()
    model = candidate()
    with pytest.raises(SelfApprovalRefused, match="another approver"):
        approve_model(model, by=trainer, reason="mine is best", at=AT)
    model.refresh_from_db()
    assert model.status == "candidate"
    assert not Decision.objects.exists()


def test_approval_without_the_permission_is_refused(candidate: Register, people: People) -> None:
    with pytest.raises(NotPermitted, match=r"registry\.approve_modelversion"):
        approve_model(candidate(), by=people["pipeline"], reason="looks fine", at=AT)


def test_rejection_without_the_permission_is_refused(candidate: Register, people: People) -> None:
    with pytest.raises(NotPermitted, match=r"registry\.reject_modelversion"):
        reject_model(candidate(), by=people["pipeline"], reason="looks bad", at=AT)


def test_a_deactivated_approver_decides_nothing(candidate: Register, people: People) -> None:
    people["approver"].is_active = False
    with pytest.raises(NotPermitted):
        approve_model(candidate(), by=people["approver"], reason="still here", at=AT)


@pytest.mark.parametrize("decide", [approve_model, reject_model])
def test_a_decision_needs_a_reason(candidate: Register, people: People, decide: Callable[..., ModelVersion]) -> None:
    with pytest.raises(ReasonMissing):
        decide(candidate(), by=people["approver"], reason="  \n", at=AT)


def test_a_trainer_may_reject_their_own_model(candidate: Register, people: People) -> None:
    trainer = people["forecaster"]
    trainer.user_permissions.add(Permission.objects.get(codename="reject_modelversion"))
    assert reject_model(candidate(), by=trainer, reason="trained on bad data", at=AT).status == "rejected"


@pytest.mark.parametrize("first", [approve_model, reject_model])
@pytest.mark.parametrize("second", [approve_model, reject_model])
def test_what_is_decided_stays_decided(
    candidate: Register, people: People, first: Callable[..., ModelVersion], second: Callable[..., ModelVersion]
) -> None:
    model = candidate()
    first(model, by=people["approver"], reason="first", at=AT)
    with pytest.raises(AlreadyDecided, match="only a candidate"):
        second(model, by=people["second_approver"], reason="second", at=AT)
    assert model.decisions.count() == 1


def _at_once(*decisions: Callable[[], ModelVersion]) -> list[ModelVersion | RegistryError]:
    barrier = Barrier(len(decisions))

    def decide(operation: Callable[[], ModelVersion]) -> ModelVersion | RegistryError:
        barrier.wait()
        try:
            return operation()
        except RegistryError as refusal:
            return refusal
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(decisions)) as pool:
        return list(pool.map(decide, decisions))


@pytest.mark.django_db(transaction=True)
def test_of_two_approvers_at_once_one_decides_and_one_is_told(candidate: Register, people: People) -> None:
    model = candidate()
    answers = _at_once(
        lambda: approve_model(model, by=people["approver"], reason="one", at=AT),
        lambda: approve_model(model, by=people["second_approver"], reason="two", at=AT),
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["AlreadyDecided", "ModelVersion"]
    assert model.decisions.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_an_approval_and_a_rejection_at_once_one_holds(candidate: Register, people: People) -> None:
    model = candidate()
    answers = _at_once(
        lambda: approve_model(model, by=people["approver"], reason="good", at=AT),
        lambda: reject_model(model, by=people["second_approver"], reason="bad", at=AT),
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["AlreadyDecided", "ModelVersion"]
    model.refresh_from_db()
    assert model.status == {"approve": "champion", "reject": "rejected"}[model.decisions.get().decision]


@pytest.mark.django_db(transaction=True)
def test_eight_candidates_approved_at_once_leave_one_champion(
    candidate: Register, series: Series, people: People
) -> None:
    models = [candidate(f"key-{number}") for number in range(8)]
    answers = _at_once(
        *(lambda m=model: approve_model(m, by=people["approver"], reason="good", at=AT) for model in models)
    )
    assert all(isinstance(answer, ModelVersion) for answer in answers)
    statuses = list(ModelVersion.objects.filter(series=series).values_list("status", flat=True))
    assert sorted(statuses) == ["champion"] + ["retired"] * 7
