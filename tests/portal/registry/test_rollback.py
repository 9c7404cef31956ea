"""The way back to an earlier champion."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Permission, User

from portal.core.permissions import NotPermitted
from portal.pipeline.models import DagRunRequest
from portal.registry.models import ModelVersion
from portal.registry.operations import (
    AlreadyDecided,
    NoEarlierChampion,
    ReasonMissing,
    SelfApprovalRefused,
    approve_model,
    reject_model,
    roll_back,
)
from portal.series.models import Series

AT = datetime(2014, 11, 2, 9, tzinfo=UTC)
Register = Callable[..., ModelVersion]
People = dict[str, User]


@pytest.fixture
def champions(candidate: Register, people: People) -> list[ModelVersion]:
    """Three versions that were champion in turn; the last one is."""
    models = [candidate(key) for key in "abc"]
    for day, model in enumerate(models):
        approve_model(model, by=people["approver"], reason="good", at=AT + timedelta(days=day))
    for model in models:
        model.refresh_from_db()
    return models


def statuses(models: list[ModelVersion]) -> list[str]:
    return [ModelVersion.objects.get(pk=model.pk).status for model in models]


def test_the_champion_retired_last_is_champion_again_in_one_action(
    champions: list[ModelVersion], people: People
) -> None:
    restored = roll_back(champions[2], by=people["second_approver"], reason="It drifts", at=AT + timedelta(days=9))
    assert restored == champions[1]
    assert statuses(champions) == ["retired", "champion", "retired"]
    told = [list(m.decisions.values_list("decision", "by__username", "reason"))[-1] for m in champions[1:]]
    assert told == [
        ("rollback", "second_approver", "It drifts"),
        ("withdraw", "second_approver", "Rolled back to version 2: It drifts"),
    ]


def test_who_approved_first_and_when_stays_known(champions: list[ModelVersion], people: People) -> None:
    restored = roll_back(champions[2], by=people["second_approver"], reason="It drifts", at=AT + timedelta(days=9))
    restored.refresh_from_db()
    assert (restored.approved_by, restored.approved_at) == (people["approver"], AT + timedelta(days=1))


def test_another_earlier_champion_may_be_chosen(champions: list[ModelVersion], people: People) -> None:
    roll_back(champions[2], to=champions[0], by=people["approver"], reason="Older is better", at=AT)
    assert statuses(champions) == ["champion", "retired", "retired"]


def test_a_rollback_can_itself_be_rolled_back(champions: list[ModelVersion], people: People) -> None:
    restored = roll_back(champions[2], by=people["approver"], reason="It drifts", at=AT)
    again = roll_back(restored, to=champions[2], by=people["approver"], reason="It did not", at=AT)
    assert again == champions[2]
    assert statuses(champions) == ["retired", "retired", "champion"]


def test_what_was_rolled_back_from_is_not_what_the_next_rollback_leads_to(
    champions: list[ModelVersion], people: People
) -> None:
    restored = roll_back(champions[2], by=people["approver"], reason="It drifts", at=AT)
    assert roll_back(restored, by=people["approver"], reason="So does this", at=AT) == champions[0]
    with pytest.raises(NoEarlierChampion, match="has no earlier champion"):
        roll_back(champions[0], by=people["approver"], reason="And this", at=AT)


def test_a_rollback_asks_for_a_publication(
    champions: list[ModelVersion], people: People, loaded: Callable[[datetime], None]
) -> None:
    at = AT + timedelta(days=9)
    loaded(at)
    restored = roll_back(champions[2], by=people["approver"], reason="It drifts", at=at)
    request = DagRunRequest.objects.get(run_id__endswith=f"decision-{restored.decisions.get(decision='rollback').pk}")
    assert (request.dag_id, request.series, request.requested_by) == (
        "publish_forecasts",
        restored.series,
        people["approver"],
    )
    assert request.conf == {"series": ["victoria"], "as_of": at.isoformat()}


def test_without_an_earlier_champion_a_rollback_is_refused(candidate: Register, people: People) -> None:
    model = approve_model(candidate(), by=people["approver"], reason="good", at=AT)
    reject_model(candidate("b"), by=people["approver"], reason="bad", at=AT)
    with pytest.raises(NoEarlierChampion, match="has no earlier champion"):
        roll_back(model, by=people["approver"], reason="It drifts", at=AT)


def test_what_was_never_champion_of_the_series_cannot_be_rolled_back_to(
    champions: list[ModelVersion], candidate: Register, people: People, make_series: Callable[..., Series]
) -> None:
    elsewhere = candidate("x", of=make_series("england-wales"))
    for never in (candidate("new"), elsewhere, champions[2]):
        with pytest.raises(NoEarlierChampion, match="is no retired champion of victoria"):
            roll_back(champions[2], to=never, by=people["approver"], reason="It drifts", at=AT)
    assert statuses(champions) == ["retired", "retired", "champion"]


def test_a_second_rollback_of_the_same_champion_is_told_who_was_first(
    champions: list[ModelVersion], people: People
) -> None:
    roll_back(champions[2], by=people["approver"], reason="It drifts", at=AT)
    with pytest.raises(AlreadyDecided, match=r"is retired \(rolled back from by approver at 2014-11-02 09:00 UTC\)"):
        roll_back(champions[2], by=people["second_approver"], reason="It drifts", at=AT)


def test_the_trainer_cannot_put_their_own_model_live_by_a_rollback(
    champions: list[ModelVersion], people: People
) -> None:
    trainer = people["forecaster"]
    trainer.user_permissions.add(Permission.objects.get(codename="rollback_modelversion"))
    with pytest.raises(SelfApprovalRefused, match="another approver has to decide"):
        roll_back(champions[2], by=User.objects.get(pk=trainer.pk), reason="mine", at=AT)
    assert statuses(champions) == ["retired", "retired", "champion"]


def test_a_rollback_needs_its_permission_and_a_reason(champions: list[ModelVersion], people: People) -> None:
    with pytest.raises(NotPermitted, match=r"registry\.rollback_modelversion"):
        roll_back(champions[2], by=people["pipeline"], reason="It drifts", at=AT)
    with pytest.raises(ReasonMissing):
        roll_back(champions[2], by=people["approver"], reason=" ", at=AT)
