"""Who decides about candidates, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Permission, User

from portal.core.permissions import NotPermitted
from portal.pipeline.models import DagRunRequest
from portal.registry.models import Decision, ModelVersion
from portal.registry.operations import (
    AlreadyDecided,
    ReasonMissing,
    SelfApprovalRefused,
    approve_model,
    reject_model,
)
from portal.series.models import Observation, Series

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


@pytest.mark.parametrize(("later", "asked"), [(timedelta(0), 1), (timedelta(seconds=1), 0)])
def test_a_champion_that_knows_what_came_after_the_archive_is_asked_for_no_forecast(
    candidate: Register,
    people: People,
    loaded: Callable[[datetime], None],
    caplog: pytest.LogCaptureFixture,
    later: timedelta,
    asked: int,
) -> None:
    end = AT - timedelta(days=3650)
    loaded(end)
    (known_at,) = Observation.objects.values_list("known_at", flat=True)
    period = {"training_start": end - timedelta(days=300), "training_end": end - timedelta(hours=1)}
    model = candidate(**period, data_cutoff=known_at + later)
    approve_model(model, by=people["approver"], reason="good", at=AT)
    assert DagRunRequest.objects.count() == asked
    assert ("No forecast of victoria is asked for" in caplog.text) == (not asked)


def test_an_approval_asks_for_a_publication_in_its_transaction(
    candidate: Register, people: People, loaded: Callable[[datetime], None]
) -> None:
    loaded(AT)
    model = approve_model(candidate(), by=people["approver"], reason="good", at=AT)
    request = DagRunRequest.objects.get()
    assert request.run_id == f"portal__publish_forecasts__decision-{model.decisions.get().pk}"
    assert request.conf == {"series": ["victoria"], "as_of": AT.isoformat()}
    assert (request.series, request.requested_by, request.next_attempt_at) == (model.series, people["approver"], AT)
    assert request.reason == "Approved version 1: good"


def test_a_rejection_asks_for_none(candidate: Register, people: People) -> None:
    reject_model(candidate(), by=people["approver"], reason="bad", at=AT)
    assert not DagRunRequest.objects.exists()
