"""The registry's pages, as an approver uses them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from portal.registry.models import ModelVersion
from portal.registry.operations import approve_model, reject_model
from portal.series.models import Series

AT = datetime(2014, 11, 2, 9, tzinfo=UTC)
LIST = reverse("admin:registry_modelversion_changelist")
EVIDENCE = {
    "metrics": {"n": 960, "mae": 180.0},
    "baseline": {"n": 960, "mae": 400.0},
    "by_lead_time": [{"lead_time_from": 0, "lead_time_to": 6, "mae": 170.0}],
}
People = dict[str, User]
Register = Callable[..., ModelVersion]


@pytest.fixture
def browser(people: People) -> Callable[[str], Client]:
    def of(username: str) -> Client:
        client = Client()
        client.force_login(people[username])
        return client

    return of


def page(model: ModelVersion, action: str = "change") -> str:
    return reverse(f"admin:registry_modelversion_{action}", args=(model.pk,))


def said(response: HttpResponse) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]  # type: ignore[attr-defined]


def text(response: HttpResponse) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def test_the_page_of_a_candidate_opens_with_its_figures_beside_baseline_and_champion(
    candidate: Register, people: People, browser: Callable[[str], Client]
) -> None:
    approve_model(candidate("a", evidence={"metrics": {"mae": 150.0}}), by=people["approver"], reason="good", at=AT)
    response = browser("approver").get(page(candidate("b", evidence=EVIDENCE)))
    shown = text(response)
    assert "MAE MW 180 400 55% better 150 20% worse" in shown
    assert shown.index("55% better") < shown.index("Training key")
    content = response.content.decode()
    assert "<svg" in content
    assert page(ModelVersion.objects.get(version=2), "approve") in content
    assert not re.search(r'(src|href)="(https?:)?//', content), "nothing comes from another host"


@pytest.mark.parametrize("evidence", [{}, {"metrics": None, "by_lead_time": "x"}])
def test_the_page_of_a_candidate_without_figures_says_so(
    candidate: Register, browser: Callable[[str], Client], evidence: dict[str, object]
) -> None:
    assert "No figures came with this model" in text(browser("approver").get(page(candidate(evidence=evidence))))


def test_an_approver_asked_for_a_reason_puts_the_candidate_live(
    candidate: Register, browser: Callable[[str], Client]
) -> None:
    model, client = candidate(evidence=EVIDENCE), browser("approver")
    question = client.get(page(model, "approve"))
    assert "The champion so far, if any, retires" in text(question)
    assert "55% better" in text(question)
    model.refresh_from_db()
    assert model.status == "candidate"

    response = client.post(page(model, "approve"), {"reason": "Half the error"}, follow=True)
    assert said(response) == ["victoria v1 (arima) is the champion now."]
    model.refresh_from_db()
    assert model.status == "champion"
    assert model.decisions.get().reason == "Half the error"
    assert "Half the error" in text(response)


def test_without_a_reason_the_page_asks_again(candidate: Register, browser: Callable[[str], Client]) -> None:
    model = candidate()
    assert "This field is required" in text(browser("approver").post(page(model, "approve"), {"reason": " "}))
    model.refresh_from_db()
    assert model.status == "candidate"


def test_a_candidate_is_rejected_from_its_page(candidate: Register, browser: Callable[[str], Client]) -> None:
    model = candidate()
    browser("approver").post(page(model, "reject"), {"reason": "Worse than the naive"})
    model.refresh_from_db()
    assert model.status == "rejected"


def test_the_trainer_is_warned_on_the_page_and_refused_with_a_message(
    candidate: Register, people: People, browser: Callable[[str], Client]
) -> None:
    people["forecaster"].user_permissions.set(Permission.objects.filter(content_type__app_label="registry"))
    model, client = candidate(), browser("forecaster")
    assert "You triggered this training" in text(client.get(page(model)))
    assert "You triggered this training" in text(client.get(page(model, "approve")))
    assert "You triggered this training" not in text(client.get(page(model, "reject")))
    response = client.post(page(model, "approve"), {"reason": "mine"}, follow=True)
    (message,) = said(response)
    assert "another approver has to decide" in message
    model.refresh_from_db()
    assert model.status == "candidate"


def test_who_comes_second_is_told_that_it_is_decided(
    candidate: Register, people: People, browser: Callable[[str], Client]
) -> None:
    model = candidate()
    reject_model(model, by=people["second_approver"], reason="bad", at=AT)
    response = browser("approver").post(page(model, "approve"), {"reason": "good"}, follow=True)
    (message,) = said(response)
    assert "rejected already" in message
    assert page(model, "approve") not in response.content.decode(), "a decided model has no buttons"
    asked = browser("approver").get(page(model, "approve"), follow=True)
    assert asked.redirect_chain == [(page(model), 302)], "no form that promises what cannot happen"
    assert "rejected already" in said(asked)[0]


def test_without_the_permission_there_is_no_button_and_no_way(
    candidate: Register, people: People, browser: Callable[[str], Client]
) -> None:
    model, client = candidate(), browser("forecaster")
    assert page(model, "approve") not in client.get(page(model)).content.decode()
    assert client.post(page(model, "approve"), {"reason": "x"}).status_code == 403
    model.refresh_from_db()
    assert model.status == "candidate"


def test_a_decision_needs_a_csrf_token(candidate: Register, people: People) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(people["approver"])
    assert client.post(page(candidate(), "approve"), {"reason": "good"}).status_code == 403


def test_facts_cannot_be_edited_or_deleted_on_the_page(
    candidate: Register, people: People, browser: Callable[[str], Client]
) -> None:
    people["approver"].is_superuser = True
    people["approver"].save()
    model, client = candidate(), browser("approver")
    assert client.post(page(model), {"kind": "other"}).status_code == 403
    assert client.post(page(model, "delete"), {"post": "yes"}).status_code == 403
    model.refresh_from_db()
    assert model.kind == "arima"


def test_candidates_of_several_series_are_approved_together_with_one_reason(
    candidate: Register, browser: Callable[[str], Client], make_series: Callable[..., Series]
) -> None:
    models = [candidate("a"), candidate("b", of=make_series("england-wales"))]
    form = {"action": "approve_selected", "_selected_action": [model.pk for model in models]}
    client = browser("approver")
    assert "Approve 2 models" in text(client.post(LIST, form))
    assert not ModelVersion.objects.filter(status="champion").exists()
    client.post(LIST, {**form, "reason": "All beat the naive"})
    assert ModelVersion.objects.filter(status="champion").count() == 2


def test_two_candidates_of_one_series_are_not_approved_together(
    candidate: Register, browser: Callable[[str], Client]
) -> None:
    models = [candidate("a"), candidate("b")]
    response = browser("approver").post(
        LIST, {"action": "approve_selected", "_selected_action": [m.pk for m in models], "reason": "both"}, follow=True
    )
    assert said(response) == ["Select one candidate per series: each has one champion."]
    assert not ModelVersion.objects.filter(status="champion").exists()


def test_the_list_shows_the_error_and_how_it_compares(candidate: Register, browser: Callable[[str], Client]) -> None:
    candidate(evidence=EVIDENCE)
    assert "180 MW (55% better)" in text(browser("approver").get(LIST))


def test_the_id_of_an_airflow_run_finds_the_models_that_it_trained_and_no_others(
    candidate: Register, browser: Callable[[str], Client], make_series: Callable[..., Series]
) -> None:
    run = "manual__2014-12-01T00:00:00+00:00_a1"
    trained_by_it = {"airflow": {"dag_id": "train_models", "run_id": run}}
    of_the_run = [candidate("a", **trained_by_it), candidate("b", of=make_series("england-wales"), **trained_by_it)]
    for key, other in (("c", f"{run}0"), ("d", "manual__2014-12-01T00:00:00+00:00"), ("e", "manual__2014-12-01")):
        candidate(key, airflow={"dag_id": "train_models", "run_id": other})
    candidate("f")
    response = browser("approver").get(LIST, {"q": run})
    assert set(response.context["cl"].queryset) == set(of_the_run)


def test_the_page_of_a_model_leads_to_the_airflow_run_that_trained_it(
    candidate: Register, browser: Callable[[str], Client]
) -> None:
    model = candidate(airflow={"dag_id": "train_models", "run_id": "manual__2014-12-01T00:00:00+00:00"})
    content = browser("approver").get(page(model)).content.decode()
    assert "/dags/train_models/runs/manual__2014-12-01T00%3A00%3A00%2B00%3A00" in content
    assert "Status Candidate" in text(browser("approver").get(page(model)))
