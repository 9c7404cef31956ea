"""Decisions at the same moment, in transactions of their own: one holds, and the other is told who took it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier

import httpx
import pytest
from django.contrib.auth.models import User
from django.db import connections

from portal.registry.audit import audit
from portal.registry.models import Decision, ModelVersion
from portal.registry.operations import AlreadyDecided, RegistryError, approve_model, reject_model, roll_back
from portal.series.models import Series

pytestmark = pytest.mark.django_db(transaction=True)
AT = datetime(2014, 11, 2, 9, tzinfo=UTC)
Register = Callable[..., ModelVersion]
People = dict[str, User]
Answer = ModelVersion | RegistryError


@pytest.fixture(autouse=True)
def sound(db: None, transactional_db: None) -> object:
    """Whatever came of it, the chain holds and every status follows from it."""
    yield
    assert audit().faults == []


def _at_once(*decisions: Callable[[], ModelVersion]) -> list[Answer]:
    barrier = Barrier(len(decisions))

    def decide(operation: Callable[[], ModelVersion]) -> Answer:
        barrier.wait()
        try:
            return operation()
        except RegistryError as refusal:
            return refusal
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(decisions)) as pool:
        return list(pool.map(decide, decisions))


def test_of_two_approvers_at_once_one_decides_and_one_is_told(candidate: Register, people: People) -> None:
    model = candidate()
    answers = _at_once(
        lambda: approve_model(model, by=people["approver"], reason="one", at=AT),
        lambda: approve_model(model, by=people["second_approver"], reason="two", at=AT),
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["AlreadyDecided", "ModelVersion"]
    assert model.decisions.count() == 1


def test_of_an_approval_and_a_rejection_at_once_one_holds(candidate: Register, people: People) -> None:
    model = candidate()
    answers = _at_once(
        lambda: approve_model(model, by=people["approver"], reason="good", at=AT),
        lambda: reject_model(model, by=people["second_approver"], reason="bad", at=AT),
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["AlreadyDecided", "ModelVersion"]
    model.refresh_from_db()
    assert model.status == {"approve": "champion", "reject": "rejected"}[model.decisions.get().decision]


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


@pytest.fixture
def champions(candidate: Register, people: People) -> list[ModelVersion]:
    models = [approve_model(candidate(key), by=people["approver"], reason="good", at=AT) for key in "ab"]
    return [ModelVersion.objects.get(pk=model.pk) for model in models]


def _champion(series: Series) -> ModelVersion:
    return ModelVersion.objects.get(series=series, status="champion")


def test_who_comes_second_is_told_by_name_who_decided(candidate: Register, people: People) -> None:
    model = candidate()
    answers = _at_once(
        lambda: approve_model(model, by=people["approver"], reason="one", at=AT),
        lambda: approve_model(model, by=people["second_approver"], reason="two", at=AT),
    )
    (refusal,) = [answer for answer in answers if isinstance(answer, AlreadyDecided)]
    assert f"approved by {model.decisions.get().by} at 2014-11-02 09:00 UTC" in str(refusal)


def test_of_two_candidates_approved_at_once_by_two_the_later_is_champion(
    candidate: Register, series: Series, people: People
) -> None:
    first, second = candidate("a"), candidate("b")
    answers = _at_once(
        lambda: approve_model(first, by=people["approver"], reason="one", at=AT),
        lambda: approve_model(second, by=people["second_approver"], reason="two", at=AT),
    )
    assert all(isinstance(answer, ModelVersion) for answer in answers)
    newest = Decision.objects.order_by("number").last()
    assert newest is not None
    assert (newest.decision, newest.model) == ("approve", _champion(series))


def test_of_two_rollbacks_at_once_one_holds(champions: list[ModelVersion], series: Series, people: People) -> None:
    answers = _at_once(
        lambda: roll_back(champions[1], by=people["approver"], reason="one", at=AT),
        lambda: roll_back(champions[1], by=people["second_approver"], reason="two", at=AT),
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["AlreadyDecided", "ModelVersion"]
    assert _champion(series) == champions[0]


def test_of_a_rollback_and_an_approval_at_once_the_candidate_is_champion(
    champions: list[ModelVersion], candidate: Register, series: Series, people: People
) -> None:
    """Either the approval replaces who was rolled back to, or it replaces the champion and the rollback is refused."""
    fresh = candidate("c")
    rolled, approved = _at_once(
        lambda: roll_back(champions[1], by=people["approver"], reason="drifts", at=AT),
        lambda: approve_model(fresh, by=people["second_approver"], reason="better", at=AT),
    )
    assert isinstance(approved, ModelVersion)
    assert isinstance(rolled, ModelVersion) or "retired by second_approver" in str(rolled)
    assert _champion(series) == fresh


def test_decisions_about_many_series_at_once_make_one_chain_without_holes(
    candidate: Register, make_series: Callable[..., Series], people: People
) -> None:
    models = [candidate("a", of=make_series(f"series-{number}")) for number in range(8)]
    _at_once(*(lambda m=model: approve_model(m, by=people["approver"], reason="good", at=AT) for model in models))
    assert list(Decision.objects.values_list("number", flat=True)) == list(range(1, 9))


@pytest.mark.parametrize(("first", "second"), [("approve", "approve"), ("approve", "reject"), ("rollback", "rollback")])
def test_over_http_one_of_two_at_once_is_a_200_and_one_a_409_that_names_who_was_first(
    champions: list[ModelVersion],
    candidate: Register,
    people: People,
    http_of: Callable[[User], httpx.Client],
    first: str,
    second: str,
) -> None:
    model = champions[1] if first == "rollback" else candidate("c")
    clients = {name: http_of(people[name]) for name in ("approver", "second_approver")}
    barrier = Barrier(2)

    def ask(asked: tuple[str, str]) -> httpx.Response:
        barrier.wait()
        name, verb = asked
        return clients[name].post(f"/api/v1/models/{model.pk}/{verb}/", json={"reason": "at once"})

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(ask, [("approver", first), ("second_approver", second)]))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    winner = "approver" if answers[0].status_code == 200 else "second_approver"
    (refusal,) = [answer.json() for answer in answers if answer.status_code == 409]
    assert f"by {winner} at" in refusal["detail"]
