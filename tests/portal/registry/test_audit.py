"""The chain of decisions, and ``verify_audit``: what an administrator does with the triggers off is seen."""

from __future__ import annotations

import hashlib
import io
import re
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from itertools import pairwise

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection

from portal.registry.models import Decision, ModelVersion
from portal.registry.operations import approve_model
from tests.portal.registry.tampering import tampering

AT = datetime(2014, 11, 2, 9, 30, 0, 123, tzinfo=UTC)
Register = Callable[..., ModelVersion]
People = dict[str, User]


def verify(head: str | None = None) -> str:
    out = io.StringIO()
    call_command("verify_audit", *([f"--head={head}"] if head else []), stdout=out)
    return out.getvalue()


def broken(head: str | None = None) -> str:
    with pytest.raises(CommandError) as caught:
        verify(head)
    assert caught.value.returncode == 1
    return str(caught.value)


def head() -> str:
    newest = Decision.objects.order_by("number").last()
    assert newest is not None
    return f"{newest.number}:{newest.sha256}"


def test_decisions_are_numbered_and_bound_to_each_other(history: list[ModelVersion]) -> None:
    links = list(Decision.objects.order_by("number"))
    assert [link.number for link in links] == [1, 2, 3, 4, 5, 6]
    assert links[0].previous_sha256 == "0" * 64
    assert all(after.previous_sha256 == before.sha256 for before, after in pairwise(links))


def test_the_hash_is_what_the_documentation_says(history: list[ModelVersion]) -> None:
    link = Decision.objects.get(number=1)
    with connection.cursor() as cursor:
        cursor.execute("SELECT evidence::text FROM registry_modelversion WHERE id = %s", [link.model_id])
        evidence = cursor.fetchone()[0]
    lines = [
        "0" * 64,
        "1",
        str(link.model_id),
        "ab" * 32,
        hashlib.sha256(evidence.encode()).hexdigest(),
        str(link.model.trained_by_id),
        "approve",
        str(link.by_id),
        "2014-11-02T09:30:00.000123Z",
        "person",
        "good\nand well\ncalibrated",
    ]
    assert link.sha256 == hashlib.sha256("\n".join(lines).encode()).hexdigest()


def test_the_evidence_of_a_model_need_not_come_along_with_each_of_its_decisions(
    candidate: Register, people: People
) -> None:
    size = 2_000_000
    model = candidate("a", evidence={"tuning": ["x" * size]})
    approve_model(model, by=people["approver"], reason="good", at=AT)
    approve_model(candidate("b"), by=people["approver"], reason="better", at=AT)
    tracemalloc.start()
    try:
        assert "sound: 3 decisions" in verify()
        assert tracemalloc.get_traced_memory()[1] < size
    finally:
        tracemalloc.stop()


def test_a_decision_knows_its_place_as_soon_as_it_is_taken(candidate: Register, people: People) -> None:
    model = approve_model(candidate(), by=people["approver"], reason="good", at=AT)
    fresh = Decision(model=candidate("b"), decision="reject", by=people["approver"], reason="bad", at=AT)
    fresh.number, fresh.sha256 = 77, "f" * 64  # whatever the caller says
    ModelVersion.objects.filter(pk=fresh.model_id).update(status="rejected")
    fresh.save()
    fresh.refresh_from_db()
    assert (fresh.number, fresh.previous_sha256) == (2, model.decisions.get().sha256)
    assert verify().startswith(f"head 2:{fresh.sha256}\n")


def test_a_sound_record_is_said_to_be_sound_with_its_head(history: list[ModelVersion]) -> None:
    said = verify()
    assert said == f"head {head()}\nsound: 6 decisions about 4 models follow from each other\n"
    first = Decision.objects.get(number=1)
    assert verify(f"1:{first.sha256}") == said, "an earlier head is still a link"
    assert verify(f"0:{'0' * 64}") == said


def test_an_empty_record_is_sound(db: None) -> None:
    assert verify() == f"head 0:{'0' * 64}\nsound: 0 decisions about 0 models follow from each other\n"


@pytest.mark.parametrize(
    "change",
    [
        "reason = 'worse'",
        "by_id = (SELECT id FROM auth_user WHERE username = 'second_approver')",
        "at = at + interval '1 microsecond'",
        "automatic = true",
    ],
)
def test_an_altered_decision_is_named(history: list[ModelVersion], change: str) -> None:
    with tampering() as execute:
        execute(f"UPDATE registry_decision SET {change} WHERE number = 4")  # noqa: S608  # of this file
    first, *_ = broken().splitlines()[1:]
    assert first.startswith("decision 4 (reject victoria v3) is not what was recorded")


def test_evidence_that_was_bettered_after_the_approval_is_noticed(history: list[ModelVersion]) -> None:
    with tampering() as execute:
        execute("""UPDATE registry_modelversion SET evidence = '{"metrics": {"mae": 1}}' WHERE version = 2""")
    assert "decision 3 (approve victoria v2) is not what was recorded" in broken()


def test_an_exchanged_artifact_is_noticed(history: list[ModelVersion]) -> None:
    with tampering() as execute:
        execute("UPDATE registry_modelversion SET artifact_sha256 = repeat('c', 64) WHERE version = 3")
    assert "decision 4 (reject victoria v3) is not what was recorded" in broken()


def test_a_decision_deleted_from_the_middle_is_named(history: list[ModelVersion]) -> None:
    with tampering() as execute:
        execute("DELETE FROM registry_decision WHERE number = 3")
    assert "decision 3 is missing: decision 4 (reject victoria v3) comes after decision 2" in broken()


def test_decisions_renumbered_over_a_deleted_one_do_not_follow(history: list[ModelVersion]) -> None:
    with tampering() as execute:
        execute("DELETE FROM registry_decision WHERE number = 3")
        for number in (4, 5, 6):
            execute("UPDATE registry_decision SET number = number - 1 WHERE number = %s", [number])
    assert "decision 3 (reject victoria v3) does not follow decision 2" in broken()


def test_a_removed_tail_is_noticed_by_the_status_of_its_model(history: list[ModelVersion]) -> None:
    with tampering() as execute:
        execute("DELETE FROM registry_decision WHERE number = 6")
    said = broken()
    assert "victoria v1 is champion, and by its decisions it is retired" in said


def test_a_tail_removed_with_its_traces_is_noticed_by_a_head_noted_before(history: list[ModelVersion]) -> None:
    noted = head()
    with tampering() as execute:
        execute("DELETE FROM registry_decision WHERE number > 4")
        execute("UPDATE registry_modelversion SET status = 'retired' WHERE version = 1")
        execute("UPDATE registry_modelversion SET status = 'champion' WHERE version = 2")
    assert "sound: 4 decisions" in verify(), "nothing in the database tells"
    assert "decision 6 is missing: it was noted, and the chain ends at decision 4" in broken(noted)


def test_a_record_rewritten_with_new_hashes_is_noticed_by_a_head_noted_before(history: list[ModelVersion]) -> None:
    noted = head()
    with tampering() as execute:
        execute("UPDATE registry_decision SET reason = 'worse' WHERE number = 6")
        execute("UPDATE registry_decision d SET sha256 = registry_decision_sha256(d) WHERE number = 6")
    verify()
    assert "decision 6 is another than the one noted" in broken(noted)


def test_an_inserted_decision_is_named(history: list[ModelVersion]) -> None:
    with tampering() as execute:
        execute(
            "INSERT INTO registry_decision (model_id, decision, by_id, reason, at, automatic, number, previous_sha256, "
            "sha256) SELECT %s, 'reject', by_id, 'bad', at, false, 7, sha256, repeat('a', 64) FROM registry_decision "
            "WHERE number = 6",
            [history[3].pk],
        )
        execute("UPDATE registry_modelversion SET status = 'rejected' WHERE id = %s", [history[3].pk])
    assert "decision 7 (reject victoria v4) is not what was recorded" in broken()


def test_a_status_changed_behind_the_triggers_is_noticed(history: list[ModelVersion]) -> None:
    with tampering() as execute:
        execute("UPDATE registry_modelversion SET status = 'candidate' WHERE version = 3")
    assert "victoria v3 is candidate, and by its decisions it is rejected" in broken()


def test_an_approver_changed_behind_the_triggers_is_noticed(history: list[ModelVersion], people: People) -> None:
    with tampering() as execute:
        execute("UPDATE registry_modelversion SET approved_by_id = %s WHERE version = 1", [people["pipeline"].pk])
    assert "victoria v1 was approved by another person or at another time than its decisions say" in broken()


@pytest.mark.parametrize("text", ["6", "6:abc", f"six:{'a' * 64}"])
def test_a_head_that_is_none_is_refused(db: None, text: str) -> None:
    with pytest.raises(CommandError, match="is no head"):
        verify(text)


def test_decisions_taken_before_there_was_a_chain_are_bound_in_their_order(history: list[ModelVersion]) -> None:
    backfill = import_module("portal.registry.migrations.0004_chain_and_rules").BACKFILL
    before = list(Decision.objects.order_by("number").values_list("pk", "number", "sha256"))
    with tampering() as execute:
        execute("UPDATE registry_decision SET number = number + 100, previous_sha256 = '', sha256 = ''")
        execute(backfill)
    assert list(Decision.objects.order_by("number").values_list("pk", "number", "sha256")) == before
    assert re.match(r"head 6:[0-9a-f]{64}\nsound", verify())
