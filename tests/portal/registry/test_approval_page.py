"""What the approval page shows of rich evidence, the way back, and the pages of decisions and rules."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from portal.quality.models import CheckRun
from portal.registry.models import ApprovalRule, ModelVersion
from portal.registry.operations import approve_model, roll_back, set_approval_rule
from portal.series.models import Series
from tests.portal.registry.rich_evidence import rich_evidence

AT = datetime(2014, 11, 2, 9, tzinfo=UTC)
People = dict[str, User]
Register = Callable[..., ModelVersion]
LIST = reverse("admin:registry_modelversion_changelist")


@pytest.fixture
def browser(people: People) -> Callable[[str], Client]:
    def of(username: str) -> Client:
        client = Client()
        client.force_login(people[username])
        return client

    return of


@pytest.fixture
def champions(candidate: Register, people: People) -> list[ModelVersion]:
    return [approve_model(candidate(key), by=people["approver"], reason="good", at=AT) for key in "ab"]


@pytest.fixture
def check_run(series: Series) -> CheckRun:
    return CheckRun.objects.create(
        series=series, period_start=AT, period_end=AT.replace(day=9), as_of=AT.replace(day=9), status="warned"
    )


@pytest.fixture
def evidence(champions: list[ModelVersion], check_run: CheckRun) -> dict[str, Any]:
    return rich_evidence(champion={"id": champions[1].pk, "version": 2, "kind": "arima"}, check_run=check_run.pk)


def page(model: ModelVersion, action: str = "change") -> str:
    return reverse(f"admin:registry_modelversion_{action}", args=(model.pk,))


def text(response: HttpResponse) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def said(response: HttpResponse) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]  # type: ignore[attr-defined]


def test_the_page_shows_the_champion_on_the_same_forecasts_with_every_segment(
    candidate: Register, evidence: dict[str, Any], browser: Callable[[str], Client]
) -> None:
    model = candidate("c", evidence=evidence, code_version="0.4.0", library_versions={"lightgbm": "4.7.0"})
    response = browser("approver").get(page(model))
    shown = text(response)
    assert "Champion, version 2, same forecasts" in shown
    assert "MAE MW 132 212 38% better 148 11% better" in shown
    assert "14.8 MW less error than version 2 on average over 14 origins. That is hardly chance (p = 0.021)" in shown
    assert "Test: Diebold-Mariano" in shown
    assert "day before holiday 171 271 37% better 164 4% worse 24" in shown
    assert "Melbourne Cup 2014-11-04 188" in shown
    assert "0 to 6 h 60.0" in shown
    assert "05:00 " in shown
    assert "Best of 24 trials by mean pinball loss in MW over the folds" in shown
    assert "0.4.0 · lightgbm 4.7.0" in shown
    content = response.content.decode()
    assert content.count('<svg class="gc-chart"') == 4
    assert shown.index("38% better") < shown.index("What it rests on")
    assert "compared with version" not in shown


def test_the_page_leads_to_the_quality_run_of_the_training_data(
    candidate: Register, evidence: dict[str, Any], check_run: CheckRun, browser: Callable[[str], Client]
) -> None:
    response = browser("approver").get(page(candidate("c", evidence=evidence)))
    assert reverse("admin:quality_checkrun_change", args=(check_run.pk,)) in response.content.decode()
    assert ": warned" in text(response)


def test_a_quality_run_of_another_series_is_none_of_this_model(
    candidate: Register, evidence: dict[str, Any], make_series: Callable[..., Series], browser: Callable[[str], Client]
) -> None:
    shown = text(browser("approver").get(page(candidate("c", of=make_series("england-wales"), evidence=evidence))))
    assert "Quality run none is known" in shown


def test_the_page_says_when_the_champion_changed_since_the_comparison(
    candidate: Register,
    champions: list[ModelVersion],
    evidence: dict[str, Any],
    people: People,
    browser: Callable[[str], Client],
) -> None:
    model = candidate("c", evidence=evidence)
    roll_back(champions[1], by=people["approver"], reason="drifts", at=AT)
    shown = text(browser("approver").get(page(model)))
    assert "this model was compared with version 2; the champion is version 1 now" in shown
    assert "Champion then, version 2, same forecasts" in shown


def test_a_search_that_was_skipped_says_why(candidate: Register, browser: Callable[[str], Client]) -> None:
    model = candidate(evidence={"tuning": {"skipped": "the history is too short"}})
    assert "Search skipped: the history is too short" in text(browser("approver").get(page(model)))


@pytest.mark.parametrize("action", ["change", "approve"])
@pytest.mark.parametrize(
    "broken",
    [
        {"metrics": {"mae": 10**400}, "champion": [], "champion_version": {"id": 10**30, "version": "x"}},
        {"check_run": {"id": 2**62}, "tuning": {"trials": [{"number": 0, "value": 1.0, "parameters": [1]}]}},
        {"check_run": {"id": "1"}, "by_hour": {"hour": 1}, "by_day_type": [{"day_type": {}, "mae": 1.0}]},
        {"significance": [], "calibration": [{"quantile": "x"}, None], "tuning": {"skipped": {"why": 1}}},
        {"champion": {"mae": "x"}, "by_holiday": [{"holiday": 3, "date": None, "mae": 4, "skill": 1.0}]},
    ],
)
def test_a_page_never_breaks_on_evidence(
    candidate: Register,
    champions: list[ModelVersion],
    browser: Callable[[str], Client],
    broken: dict[str, Any],
    action: str,
) -> None:
    assert browser("approver").get(page(candidate("c", evidence=broken), action)).status_code == 200


def test_decisions_are_shown_with_their_place_in_the_chain(
    champions: list[ModelVersion], browser: Callable[[str], Client]
) -> None:
    newest = champions[1].decisions.get()
    assert f"{newest.sha256[:12]}…" in text(browser("approver").get(page(champions[1])))
    listed = text(browser("forecaster").get(reverse("admin:registry_decision_changelist")))
    assert f"Replaced by version 2: good {champions[0].decisions.last().sha256[:12]}…" in listed  # type: ignore[union-attr]


def test_a_champion_is_rolled_back_from_its_page(
    champions: list[ModelVersion], browser: Callable[[str], Client], people: People
) -> None:
    client = browser("approver")
    assert page(champions[1], "roll_back") in client.get(page(champions[1])).content.decode()
    question = client.get(page(champions[1], "roll_back"))
    assert "Roll victoria back from version 2" in text(question)
    form = {"to": champions[0].pk, "champion": champions[1].pk, "reason": "It drifts"}
    assert "This field is required" in text(client.post(page(champions[1], "roll_back"), {**form, "reason": " "}))
    response = client.post(page(champions[1], "roll_back"), form, follow=True)
    assert said(response) == ["victoria v1 (arima) is the champion again."]
    assert ModelVersion.objects.get(status="champion") == champions[0]


def test_a_retired_model_is_made_champion_again_from_its_page(
    champions: list[ModelVersion], candidate: Register, people: People, browser: Callable[[str], Client]
) -> None:
    third = approve_model(candidate("c"), by=people["approver"], reason="good", at=AT)
    question = browser("approver").get(page(champions[0], "roll_back"))
    assert question.context["form"].initial == {"to": champions[0].pk, "champion": third.pk}


def test_who_rolls_back_what_is_no_champion_any_more_is_told_who_was_first(
    champions: list[ModelVersion], people: People, browser: Callable[[str], Client]
) -> None:
    client = browser("second_approver")
    form = {"to": champions[0].pk, "champion": champions[1].pk, "reason": "It drifts"}
    roll_back(champions[1], by=people["approver"], reason="first", at=AT)
    (message,) = said(client.post(page(champions[1], "roll_back"), form, follow=True))
    assert "rolled back from by approver at" in message
    assert ModelVersion.objects.get(status="champion") == champions[0]


def test_without_an_earlier_champion_or_the_permission_there_is_no_way_back(
    candidate: Register, people: People, browser: Callable[[str], Client]
) -> None:
    model = approve_model(candidate("a"), by=people["approver"], reason="good", at=AT)
    client = browser("approver")
    assert page(model, "roll_back") not in client.get(page(model)).content.decode()
    asked = client.get(page(model, "roll_back"), follow=True)
    assert said(asked) == ["victoria has no earlier champion to roll back to."]
    assert browser("forecaster").get(page(model, "roll_back")).status_code == 403


def test_the_trainer_is_refused_in_a_bulk_action_and_so_is_who_lacks_the_permission(
    candidate: Register, people: People, browser: Callable[[str], Client]
) -> None:
    model = candidate()
    form = {"action": "approve_selected", "_selected_action": [model.pk], "reason": "mine"}
    assert "approve_selected" not in browser("forecaster").get(LIST).content.decode()
    browser("forecaster").post(LIST, form)
    people["forecaster"].user_permissions.add(Permission.objects.get(codename="approve_modelversion"))
    (message,) = said(browser("forecaster").post(LIST, form, follow=True))
    assert "another approver has to decide" in message
    model.refresh_from_db()
    assert model.status == "candidate"


def test_an_approver_sets_a_rule_on_its_page_in_their_own_name(
    series: Series, people: People, browser: Callable[[str], Client]
) -> None:
    client, add = browser("approver"), reverse("admin:registry_approvalrule_add")
    form = {"series": series.pk, "enabled": "on", "margin": "0.05", "reason": "Weekly runs"}
    assert client.post(add, form).status_code == 302
    rule = ApprovalRule.objects.get()
    assert (rule.enabled, rule.margin, rule.set_by, rule.reason) == (True, 0.05, people["approver"], "Weekly runs")
    change = reverse("admin:registry_approvalrule_change", args=(rule.pk,))
    browser("second_approver").post(change, {"margin": "0.1", "reason": "Off for now"})
    rule.refresh_from_db()
    assert (rule.enabled, rule.margin, rule.set_by) == (False, 0.1, people["second_approver"])
    assert browser("forecaster").get(change).status_code == 200
    assert browser("forecaster").post(change, {"margin": "0.2", "reason": "x"}).status_code == 403
    assert browser("forecaster").get(add).status_code == 403


def test_the_page_says_why_the_rule_left_a_candidate_to_people(
    candidate: Register,
    evidence: dict[str, Any],
    series: Series,
    people: People,
    browser: Callable[[str], Client],
) -> None:
    set_approval_rule(series, enabled=True, margin=0.05, by=people["second_approver"], reason="Weekly runs", at=AT)
    shown = text(browser("approver").get(page(candidate("c", evidence=evidence))))
    assert "leaves this model to people: weakest is day type day before holiday, with 4.0% more error" in shown
