"""A candidate that beats the champion everywhere may be approved by a rule; anything less waits for a person."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse

from portal.core.permissions import NotPermitted
from portal.pipeline.models import DagRunRequest
from portal.registry.models import ApprovalRule, Decision, ModelVersion
from portal.registry.operations import ReasonMissing, approve_model, set_approval_rule
from portal.series.models import Series

AT = datetime(2014, 11, 2, 9, tzinfo=UTC)
Register = Callable[..., ModelVersion]
People = dict[str, User]
SEGMENTS = {
    "by_lead_time": [{"lead_time_from": 0.0, "lead_time_to": 6.0}, {"lead_time_from": 6.0, "lead_time_to": 12.0}],
    "by_day_type": [{"day_type": "weekday"}, {"day_type": "day_before_holiday"}],
    "by_holiday": [{"date": "2014-11-04", "holiday": "Melbourne Cup"}],
    "by_hour": [{"hour": hour} for hour in range(24)],
}


@pytest.fixture
def champion(candidate: Register, people: People) -> ModelVersion:
    return approve_model(candidate("champion"), by=people["approver"], reason="first", at=AT)


@pytest.fixture
def better(champion: ModelVersion) -> dict[str, Any]:
    """Evidence of a model whose every error is a tenth below the champion's, but a seventh at 5 o'clock less so."""
    evidence: dict[str, Any] = {
        "metrics": {"mae": 90.0, "pinball": 27.0, "peak_mae": 180.0},
        "champion": {"mae": 100.0, "pinball": 30.0, "peak_mae": 200.0},
        "champion_version": {"id": champion.pk, "version": champion.version, "kind": "arima"},
        "check_run": {"id": 1, "status": "warned", "as_of": "2014-11-01T01:00:00Z"},
    }
    for segment, rows in SEGMENTS.items():
        evidence[segment] = [{**row, "mae": 90.0, "skill_against_champion": 0.1} for row in rows]
    evidence["by_hour"][5]["skill_against_champion"] = 0.06
    return evidence


@pytest.fixture
def rule(series: Series, people: People) -> ApprovalRule:
    return set_approval_rule(series, enabled=True, margin=0.05, by=people["approver"], reason="Weekly runs", at=AT)


def test_what_beats_the_champion_everywhere_is_approved_at_its_registration(
    candidate: Register,
    better: dict[str, Any],
    rule: ApprovalRule,
    champion: ModelVersion,
    people: People,
    loaded: Callable[[datetime], None],
) -> None:
    loaded(datetime.now(UTC))
    model = candidate("challenger", evidence=better)
    model.refresh_from_db()
    champion.refresh_from_db()
    assert (model.status, model.approved_by, champion.status) == ("champion", people["approver"], "retired")
    approval = model.decisions.get()
    assert (approval.automatic, approval.by, approval.at) == (True, people["approver"], model.registered_at)
    assert approval.reason == (
        "By the rule of approver (5.0% on every segment): weakest is hour of the day 05:00, "
        "with 6.0% less error than version 1"
    )
    assert champion.decisions.get(decision="retire").automatic
    assert DagRunRequest.objects.filter(run_id__endswith=f"decision-{approval.pk}").exists()


def test_without_a_rule_or_with_one_that_is_off_everything_waits(
    candidate: Register, better: dict[str, Any], series: Series, people: People
) -> None:
    assert candidate("a", evidence=better).status == "candidate"
    rule = set_approval_rule(series, enabled=False, margin=0.0, by=people["approver"], reason="Not yet", at=AT)
    assert not rule.enabled
    assert not ApprovalRule._meta.get_field("enabled").default
    assert candidate("b", evidence=better).status == "candidate"


def _worse(evidence: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = deepcopy(evidence)
    place = changed
    for step in path[:-1]:
        place = place[step]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        *(((segment, 0, "skill_against_champion"), 0.0499, "weakest is") for segment in SEGMENTS),
        *(((segment, 0, "skill_against_champion"), None, "nothing is known of") for segment in SEGMENTS),
        *(((segment,), None, "nothing is known of") for segment in SEGMENTS),
        *(((segment,), [], "nothing is known of") for segment in SEGMENTS if segment != "by_holiday"),
        (("by_hour", 3), "x", "nothing is known of hour of the day ?"),
        (("by_hour", 3, "skill_against_champion"), float(10**30), ""),
        (("metrics", "mae"), 95.1, "weakest is the MAE"),
        (("metrics", "mae"), 100.0, "weakest is the MAE, with the same error as version 1"),
        (("metrics", "pinball"), 31.0, "3.3% more error"),
        (("metrics", "peak_mae"), None, "nothing is known of the error of the daily peak"),
        (("champion", "peak_mae"), 0, "nothing is known of the error of the daily peak"),
        (("champion",), None, "nothing is known of the MAE"),
        (("champion_version",), None, "was not compared with the present champion, version 1"),
        (("champion_version", "id"), 10**30, "was not compared with the present champion"),
        (("check_run", "status"), "failed", "its data passed no quality run"),
        (("check_run",), None, "its data passed no quality run"),
    ],
)
def test_anything_less_or_unknown_waits_and_the_log_says_why(
    candidate: Register,
    better: dict[str, Any],
    rule: ApprovalRule,
    caplog: pytest.LogCaptureFixture,
    path: tuple[Any, ...],
    value: Any,
    why: str,
) -> None:
    caplog.set_level(logging.INFO, "portal.registry.operations")
    model = candidate("challenger", evidence=_worse(better, path, value))
    assert model.status == ("candidate" if why else "champion")
    assert why in caplog.text
    assert Decision.objects.filter(model=model).exists() is (why == "")


@pytest.mark.parametrize(("skill", "status"), [(0.0, "candidate"), (0.001, "champion")])
def test_the_same_model_again_beats_nobody_even_where_any_margin_will_do(
    candidate: Register,
    better: dict[str, Any],
    rule: ApprovalRule,
    series: Series,
    people: People,
    skill: float,
    status: str,
) -> None:
    set_approval_rule(series, enabled=True, margin=0.0, by=people["approver"], reason="Any gain", at=AT)
    evidence = {**better, "metrics": {key: error * (1 - skill) for key, error in better["champion"].items()}}
    for segment, rows in SEGMENTS.items():
        evidence[segment] = [{**row, "mae": 100.0 * (1 - skill), "skill_against_champion": skill} for row in rows]
    assert candidate("again", evidence=evidence).status == status


def test_the_page_says_that_nobody_looked_before_a_rule_approved(
    candidate: Register, better: dict[str, Any], rule: ApprovalRule, champion: ModelVersion, people: People
) -> None:
    client = Client()
    client.force_login(people["approver"])

    def page(model: ModelVersion) -> str:
        content = client.get(reverse("admin:registry_modelversion_change", args=(model.pk,))).content.decode()
        return " ".join(re.sub(r"<[^>]+>", " ", content).split())

    challenger = candidate("challenger", evidence=better)
    assert "Approved by approver automatic" in page(challenger)
    assert "Approved by approver automatic" not in page(champion)


def test_a_backtest_without_a_holiday_has_nothing_to_lose_there(
    candidate: Register, better: dict[str, Any], rule: ApprovalRule
) -> None:
    assert candidate("challenger", evidence={**better, "by_holiday": []}).status == "champion"


def test_who_was_compared_with_an_earlier_champion_waits(
    candidate: Register, better: dict[str, Any], rule: ApprovalRule, people: People
) -> None:
    approve_model(candidate("next"), by=people["approver"], reason="good", at=AT)
    assert candidate("challenger", evidence=better).status == "candidate"


def test_a_first_model_has_nobody_to_beat(candidate: Register, rule: ApprovalRule) -> None:
    assert candidate("first", evidence={}).status == "candidate"


def test_the_rule_of_the_trainer_does_not_approve_their_model(
    candidate: Register,
    better: dict[str, Any],
    rule: ApprovalRule,
    people: People,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "portal.registry.operations")
    assert candidate("challenger", evidence=better, trained_by=people["approver"]).status == "candidate"
    assert "approver, who set the rule, trained it" in caplog.text


@pytest.mark.parametrize("lost", ["active", "permission"])
def test_the_rule_of_somebody_who_may_approve_no_more_approves_nothing(
    candidate: Register,
    better: dict[str, Any],
    rule: ApprovalRule,
    people: People,
    caplog: pytest.LogCaptureFixture,
    lost: str,
) -> None:
    caplog.set_level(logging.INFO, "portal.registry.operations")
    if lost == "active":
        User.objects.filter(pk=people["approver"].pk).update(is_active=False)
    else:
        people["approver"].groups.clear()
    assert candidate("challenger", evidence=better).status == "candidate"
    assert "approver, who set the rule, may approve no more" in caplog.text


def test_only_who_may_approve_sets_a_rule_with_a_reason_and_a_fraction(series: Series, people: People) -> None:
    facts = {"enabled": True, "margin": 0.1, "at": AT}
    with pytest.raises(NotPermitted, match=r"registry\.approve_modelversion"):
        set_approval_rule(series, by=people["pipeline"], reason="faster", **facts)
    with pytest.raises(ReasonMissing):
        set_approval_rule(series, by=people["approver"], reason=" ", **facts)
    with pytest.raises(ValidationError):
        set_approval_rule(series, by=people["approver"], reason="x", **{**facts, "margin": 5.0})
    assert not ApprovalRule.objects.exists()


def test_every_change_of_a_rule_stays_in_its_history(series: Series, people: People, rule: ApprovalRule) -> None:
    set_approval_rule(series, enabled=False, margin=0.2, by=people["second_approver"], reason="Too easy", at=AT)
    rule.refresh_from_db()
    assert (rule.enabled, rule.margin, rule.set_by) == (False, 0.2, people["second_approver"])
    assert list(rule.history.order_by("history_id").values_list("enabled", "margin", "set_by__username")) == [
        (True, 0.05, "approver"),
        (False, 0.2, "second_approver"),
    ]


def test_the_database_takes_no_automatic_decision_without_a_rule_of_that_person(
    candidate: Register, people: People, rule: ApprovalRule
) -> None:
    model = candidate()
    people["second_approver"].user_permissions.set(Permission.objects.filter(content_type__app_label="registry"))
    for by, decision in (("second_approver", "approve"), ("approver", "reject")):
        with pytest.raises(IntegrityError, match="no approval rule of user"), transaction.atomic():
            Decision.objects.create(
                model=model, decision=decision, by=people[by], reason="by a rule", at=AT, automatic=True
            )


def test_a_rule_outside_the_range_is_refused_by_the_database(rule: ApprovalRule) -> None:
    with pytest.raises(IntegrityError, match="registry_rule_margin"), transaction.atomic(), connection.cursor() as sql:
        sql.execute("UPDATE registry_approvalrule SET margin = 1.5")
