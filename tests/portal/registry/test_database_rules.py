"""What the database refuses, whichever code asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Permission, User
from django.db import IntegrityError, connection, transaction

from portal.registry.models import Decision, ModelVersion
from portal.registry.operations import approve_model, reject_model

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


def _at_commit() -> None:
    """What a commit would say now."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


@contextmanager
def _refused_at_commit(match: str) -> Iterator[None]:
    with pytest.raises(IntegrityError, match=match), transaction.atomic():  # noqa: PT012  # a caller's block
        yield
        _at_commit()


def _decide(model: ModelVersion, decision: str, by: User) -> Decision:
    return Decision.objects.create(model=model, decision=decision, by=by, reason="from a shell", at=AT)


def test_evidence_is_fixed_however_it_is_asked_for(candidate: Register) -> None:
    model = candidate(evidence={"metrics": {"mae": 180.0}})
    model.evidence = {"metrics": {"mae": 1.0}}
    with pytest.raises(IntegrityError, match="are fixed since"), transaction.atomic():
        model.save()
    raw = """UPDATE registry_modelversion SET evidence = jsonb_set(evidence, '{metrics,mae}', '1')"""
    with pytest.raises(IntegrityError, match="are fixed since"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(raw)
    model.refresh_from_db()
    assert model.evidence == {"metrics": {"mae": 180.0}}


@pytest.mark.parametrize("table", ["registry_decision", "registry_modelversion", "registry_auditoutcome"])
def test_the_record_cannot_be_emptied(candidate: Register, table: str) -> None:
    candidate()
    _at_commit()
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER registry_refuse_truncate")  # off for the other tests' sake
        with pytest.raises(IntegrityError, match="is part of the record and cannot be emptied"), transaction.atomic():
            cursor.execute(f"TRUNCATE {table} CASCADE")
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER registry_refuse_truncate")
    assert ModelVersion.objects.exists()


def test_a_status_without_a_decision_is_refused(candidate: Register, people: People) -> None:
    model = candidate()
    with _refused_at_commit("is candidate by its decisions and cannot be made champion"):
        model.status, model.approved_by, model.approved_at = "champion", people["approver"], AT
        model.save()
    with _refused_at_commit("is candidate by its decisions and cannot be made rejected"):
        ModelVersion.objects.filter(pk=model.pk).update(status="rejected")


def test_a_decision_without_its_status_is_refused(candidate: Register, people: People) -> None:
    model = candidate()
    for decision, status in (("approve", "champion"), ("reject", "rejected")):
        with _refused_at_commit(f"is {status} by its decisions and cannot be made candidate"):
            _decide(model, decision, people["approver"])


def test_a_champion_retired_without_a_decision_is_refused(candidate: Register, people: People) -> None:
    model = approve_model(candidate(), by=people["approver"], reason="good", at=AT)
    with _refused_at_commit("is champion by its decisions and cannot be made retired"):
        ModelVersion.objects.filter(pk=model.pk).update(status="retired")


@pytest.mark.parametrize("changed", ["approved_by", "approved_at"])
def test_who_approved_and_when_is_what_the_decision_says(candidate: Register, people: People, changed: str) -> None:
    model = approve_model(candidate(), by=people["approver"], reason="good", at=AT)
    other = {"approved_by": people["second_approver"], "approved_at": AT.replace(day=3)}
    with _refused_at_commit("who approved model version"):
        ModelVersion.objects.filter(pk=model.pk).update(**{changed: other[changed]})


def test_a_status_with_its_decision_is_taken_whoever_writes_it(candidate: Register, people: People) -> None:
    model = candidate()
    ModelVersion.objects.filter(pk=model.pk).update(status="champion", approved_by=people["approver"], approved_at=AT)
    _decide(model, "approve", people["approver"])
    _at_commit()


@pytest.mark.django_db(transaction=True)
def test_a_commit_itself_is_refused(candidate: Register, people: People) -> None:
    model = candidate()
    model.status, model.approved_by, model.approved_at = "champion", people["approver"], AT
    with pytest.raises(IntegrityError, match="cannot be made champion"):
        model.save()
    with pytest.raises(IntegrityError, match="cannot be made candidate"):
        _decide(model, "reject", people["approver"])
    model.refresh_from_db()
    assert model.status == "candidate"
    assert not Decision.objects.exists()


def test_a_decision_that_cannot_follow_the_last_one_is_refused(candidate: Register, people: People) -> None:
    approver = people["approver"]
    champion = approve_model(candidate("a"), by=approver, reason="good", at=AT)
    rejected = reject_model(candidate("b"), by=approver, reason="bad", at=AT)
    fresh = candidate("c")
    for model, decision in (
        (champion, "approve"),
        (champion, "rollback"),
        (champion, "reject"),
        (rejected, "approve"),
        (rejected, "retire"),
        (fresh, "retire"),
        (fresh, "rollback"),
        (fresh, "promote"),
    ):
        with pytest.raises(IntegrityError, match="cannot follow"), transaction.atomic():
            _decide(model, decision, approver)


def test_a_rollback_by_the_trainer_cannot_be_recorded(candidate: Register, people: People) -> None:
    first, second = candidate("a"), candidate("b")
    for model in (first, second):
        approve_model(model, by=people["approver"], reason="good", at=AT)
    people["forecaster"].user_permissions.set(Permission.objects.filter(content_type__app_label="registry"))
    with pytest.raises(IntegrityError, match="cannot put it live"), transaction.atomic():
        _decide(first, "rollback", people["forecaster"])


@pytest.mark.parametrize("decision", ["approve", "reject"])
@pytest.mark.parametrize("person", ["pipeline", "inactive"])
def test_a_decision_by_whom_it_is_not_for_cannot_be_recorded(
    candidate: Register, people: People, person: str, decision: str
) -> None:
    by = people["approver" if person == "inactive" else person]
    User.objects.filter(pk=by.pk).update(is_active=person != "inactive")
    with pytest.raises(IntegrityError, match="is inactive or not permitted to decide"), transaction.atomic():
        _decide(candidate(), decision, by)


@pytest.mark.parametrize("given", ["role", "person", "superuser"])
def test_a_permission_counts_wherever_it_comes_from(
    candidate: Register, make_user: Callable[..., User], given: str
) -> None:
    by = make_user("approver" if given == "role" else None, "decider", is_superuser=given == "superuser")
    if given == "person":
        by.user_permissions.add(Permission.objects.get(codename="reject_modelversion"))
    model = candidate()
    ModelVersion.objects.filter(pk=model.pk).update(status="rejected")
    _decide(model, "reject", by)
    _at_commit()
