"""``/api/v1/models/`` over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from rest_framework.response import Response
from rest_framework.test import APIClient

from portal.registry.models import ModelVersion
from portal.registry.operations import approve_model
from portal.series.models import Series
from tests.portal.registry.facts import facts

MODELS = "/api/v1/models/"
AT = datetime(2014, 11, 2, 9, tzinfo=UTC)
People = dict[str, User]
Register = Callable[..., ModelVersion]


@pytest.fixture
def api(people: People, client_of: Callable[[User], APIClient]) -> Callable[[str], APIClient]:
    """An HTTP client that holds a token of the person."""
    return lambda username: client_of(people[username])


def problem(response: Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == status
    return document


def test_a_registered_candidate_can_be_read_back_whole(api: Callable[[str], APIClient], series: Series) -> None:
    client = api("pipeline")
    response = client.post(MODELS, facts())
    assert response.status_code == 201, response.content
    answer = response.json()
    assert facts().items() <= answer.items()
    assert (answer["version"], answer["status"], answer["decisions"]) == (1, "candidate", [])
    assert client.get(f"{MODELS}{answer['id']}/").json() == answer


def test_figures_over_64_bits_come_back_as_the_numbers_they_are(
    api: Callable[[str], APIClient], series: Series
) -> None:
    """PostgreSQL writes 1e30 with all its digits, and an integer of 31 digits is no JSON that everybody reads."""
    client = api("pipeline")
    evidence = {"metrics": {"mae": 1e30, "n": 2**64 - 1}, "by_lead_time": [{"mae": -1e300}]}
    response = client.post(MODELS, facts(evidence=evidence))
    assert response.status_code == 201, response.content
    assert client.get(f"{MODELS}{response.json()['id']}/").json()["evidence"] == evidence
    assert client.get(MODELS).json()["results"][0]["evidence"] == evidence


@pytest.mark.parametrize(("depth", "status"), [(200, 201), (253, 400), (1000, 400)])
def test_evidence_nested_deeper_than_it_could_be_given_back_is_refused(
    api: Callable[[str], APIClient], series: Series, depth: int, status: int
) -> None:
    client = api("pipeline")
    body = json.dumps(facts()).replace("180.5", "[" * depth + "1" + "]" * depth)
    response = client.generic("POST", MODELS, body, content_type="application/json")
    assert response.status_code == status, response.content
    assert client.get(MODELS).json()["count"] == (1 if status == 201 else 0)


@pytest.mark.parametrize("time", ["2014-11-01T01:00:00", "2014-11-01", "0014-11-01T01:00:00Z", "2514-11-01T01:00:00Z"])
def test_a_time_that_cannot_be_placed_is_refused(api: Callable[[str], APIClient], series: Series, time: str) -> None:
    document = problem(api("pipeline").post(MODELS, facts(data_cutoff=time)), 400)
    assert [error["field"] for error in document["errors"]] == ["data_cutoff"]


def test_the_same_training_key_is_answered_with_the_registered_model(
    api: Callable[[str], APIClient], series: Series
) -> None:
    client = api("pipeline")
    first = client.post(MODELS, facts())
    again = client.post(MODELS, facts(artifact_uri="file:///elsewhere"))
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()


def test_a_repeated_request_with_its_idempotency_key_is_replayed(
    api: Callable[[str], APIClient], series: Series
) -> None:
    client = api("pipeline")
    first, again = (client.post(MODELS, facts(), headers={"Idempotency-Key": "run-1"}) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert again["Idempotency-Replayed"] == "true"
    assert again.json() == first.json()
    problem(client.post(MODELS, facts(kind="lstm"), headers={"Idempotency-Key": "run-1"}), 409)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("trained_by", "nobody"),
        ("series", "atlantis"),
        ("artifact_sha256", "AB" * 32),
        ("artifact_sha256", "ab" * 31),
        ("training_end", "2013-01-01T00:00:00Z"),
        ("training_start", "yesterday"),
        ("evidence", [1, 2]),
        ("features", "temperature"),
        ("parameters", None),
        ("kind", ""),
        ("airflow", {"dag_id": "x"}),
    ],
)
def test_a_bad_fact_is_refused_by_name(
    api: Callable[[str], APIClient], series: Series, field: str, value: object
) -> None:
    document = problem(api("pipeline").post(MODELS, facts(**{field: value})), 400)
    assert document["errors"][0]["field"].split(".")[0] == field
    assert not ModelVersion.objects.exists()


def test_text_that_postgresql_cannot_hold_is_a_refusal_and_no_failure(
    api: Callable[[str], APIClient], series: Series
) -> None:
    problem(api("pipeline").post(MODELS, facts(evidence={"note": "\u0000"})), 400)


def test_a_deactivated_trainer_is_unknown(api: Callable[[str], APIClient], series: Series, people: People) -> None:
    User.objects.filter(pk=people["forecaster"].pk).update(is_active=False)
    problem(api("pipeline").post(MODELS, facts()), 400)


def test_registering_without_the_permission_is_a_403(api: Callable[[str], APIClient], series: Series) -> None:
    document = problem(api("approver").post(MODELS, facts()), 403)
    assert "registry.add_modelversion" in document["detail"]


def test_a_stranger_is_a_401(db: None) -> None:
    problem(APIClient().get(MODELS), 401)


def test_the_list_narrows_by_series_status_kind_and_training_key(
    api: Callable[[str], APIClient], candidate: Register, people: People, make_series: Callable[..., Series]
) -> None:
    approve_model(candidate("a"), by=people["approver"], reason="good", at=AT)
    candidate("b", kind="lstm")
    candidate("c", of=make_series("england-wales"))
    client = api("approver")

    def keys(**query: str) -> list[str]:
        return [model["training_key"] for model in client.get(MODELS, query).json()["results"]]

    assert keys() == ["c", "b", "a"]
    assert keys(series="victoria") == ["b", "a"]
    assert keys(status="champion") == ["a"]
    assert keys(kind="lstm") == ["b"]
    assert keys(series="england-wales", training_key="c") == ["c"]
    assert keys(series="victoria", training_key="c") == []
    problem(client.get(MODELS, {"status": "great"}), 400)


def test_the_list_costs_the_same_queries_however_long_it_is(
    api: Callable[[str], APIClient], candidate: Register, people: People, django_assert_max_num_queries: Any
) -> None:
    for number in range(12):
        approve_model(candidate(f"key-{number}"), by=people["approver"], reason="good", at=AT)
    client = api("approver")
    with django_assert_max_num_queries(9):
        assert len(client.get(MODELS).json()["results"]) == 12


def test_an_approval_over_http_makes_the_champion_and_tells_its_history(
    api: Callable[[str], APIClient], candidate: Register
) -> None:
    model = candidate()
    answer = api("approver").post(f"{MODELS}{model.pk}/approve/", {"reason": "Half the error"})
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert (body["status"], body["approved_by"]) == ("champion", "approver")
    (decision,) = body["decisions"]
    assert (decision["decision"], decision["by"], decision["reason"]) == ("approve", "approver", "Half the error")


def test_a_repeated_approval_with_its_key_is_replayed_and_not_refused(
    api: Callable[[str], APIClient], candidate: Register
) -> None:
    client, url = api("approver"), f"{MODELS}{candidate().pk}/approve/"
    first, again = (client.post(url, {"reason": "good"}, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()


@pytest.mark.parametrize("verb", ["approve", "reject"])
def test_a_second_decision_is_a_409(api: Callable[[str], APIClient], candidate: Register, verb: str) -> None:
    model = candidate()
    assert api("approver").post(f"{MODELS}{model.pk}/reject/", {"reason": "bad"}).status_code == 200
    document = problem(api("second_approver").post(f"{MODELS}{model.pk}/{verb}/", {"reason": "again"}), 409)
    assert "rejected already" in document["detail"]


def test_the_trainer_is_told_with_a_403_that_somebody_else_has_to_approve(
    api: Callable[[str], APIClient], candidate: Register, people: People
) -> None:
    client = api("forecaster")
    people["forecaster"].user_permissions.add(Permission.objects.get(codename="approve_modelversion"))
    document = problem(client.post(f"{MODELS}{candidate().pk}/approve/", {"reason": "mine"}), 403)
    assert "another approver" in document["detail"]


@pytest.mark.parametrize("verb", ["approve", "reject"])
def test_deciding_without_the_permission_is_a_403(
    api: Callable[[str], APIClient], candidate: Register, verb: str
) -> None:
    document = problem(api("pipeline").post(f"{MODELS}{candidate().pk}/{verb}/", {"reason": "x"}), 403)
    assert f"registry.{verb}_modelversion" in document["detail"]


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "   "}, {"reason": None}, {"reason": "x" * 2001}])
def test_a_decision_without_a_proper_reason_is_a_400(
    api: Callable[[str], APIClient], candidate: Register, body: dict[str, Any]
) -> None:
    document = problem(api("approver").post(f"{MODELS}{candidate().pk}/approve/", body), 400)
    assert document["errors"][0]["field"] == "reason"


def test_an_unknown_model_is_a_404(api: Callable[[str], APIClient]) -> None:
    problem(api("approver").post(f"{MODELS}12345/approve/", {"reason": "x"}), 404)
    problem(api("approver").get(f"{MODELS}x/"), 404)


def test_models_cannot_be_edited_or_deleted_over_http(api: Callable[[str], APIClient], candidate: Register) -> None:
    url = f"{MODELS}{candidate().pk}/"
    for method in ("put", "patch", "delete"):
        problem(getattr(api("approver"), method)(url, {"status": "champion"}), 405)


@pytest.fixture
def champions(candidate: Register, people: People) -> list[ModelVersion]:
    return [approve_model(candidate(key), by=people["approver"], reason="good", at=AT) for key in "abc"]


def test_a_rollback_over_http_answers_with_the_champion_that_is_back(
    api: Callable[[str], APIClient], champions: list[ModelVersion]
) -> None:
    client, url = api("approver"), f"{MODELS}{champions[2].pk}/rollback/"
    answer = client.post(url, {"reason": "It drifts"})
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert (body["version"], body["status"], body["decisions"][-1]["decision"]) == (2, "champion", "rollback")
    refusal = problem(client.post(url, {"reason": "It drifts"}), 409)
    assert "rolled back from by approver at" in refusal["detail"]
    chosen = client.post(f"{MODELS}{body['id']}/rollback/", {"reason": "Older", "to": champions[0].pk})
    assert chosen.json()["version"] == 1


def test_a_rollback_that_cannot_be_is_refused_over_http(
    api: Callable[[str], APIClient], candidate: Register, people: People
) -> None:
    model = approve_model(candidate(), by=people["approver"], reason="good", at=AT)
    url, fresh = f"{MODELS}{model.pk}/rollback/", candidate("b")
    assert "no earlier champion" in problem(api("approver").post(url, {"reason": "x"}), 409)["detail"]
    assert "no retired champion" in problem(api("approver").post(url, {"reason": "x", "to": fresh.pk}), 409)["detail"]
    problem(api("approver").post(url, {"reason": "x", "to": "y"}), 400)
    problem(api("approver").post(f"{MODELS}{fresh.pk}/rollback/", {"reason": "x"}), 409)
    assert "registry.rollback_modelversion" in problem(api("pipeline").post(url, {"reason": "x"}), 403)["detail"]


def test_the_trainer_cannot_roll_back_to_their_own_model_over_http(
    api: Callable[[str], APIClient], champions: list[ModelVersion], people: People
) -> None:
    people["forecaster"].user_permissions.add(Permission.objects.get(codename="rollback_modelversion"))
    document = problem(api("forecaster").post(f"{MODELS}{champions[2].pk}/rollback/", {"reason": "mine"}), 403)
    assert "another approver" in document["detail"]


def test_the_chain_of_decisions_is_read_in_order_and_narrowed_by_series_and_model(
    api: Callable[[str], APIClient],
    champions: list[ModelVersion],
    candidate: Register,
    people: People,
    make_series: Callable[..., Series],
    django_assert_max_num_queries: Any,
) -> None:
    approve_model(candidate("x", of=make_series("england-wales")), by=people["approver"], reason="good", at=AT)
    client = api("forecaster")
    with django_assert_max_num_queries(6):
        links = client.get("/api/v1/decisions/").json()["results"]
    assert [link["number"] for link in links] == [1, 2, 3, 4, 5, 6]
    assert [link["previous_sha256"] for link in links[1:]] == [link["sha256"] for link in links[:-1]]
    assert (links[1]["series"], links[1]["version"], links[1]["decision"], links[1]["by"], links[1]["automatic"]) == (
        "victoria",
        1,
        "retire",
        "approver",
        False,
    )

    def numbers(**query: object) -> list[int]:
        return [link["number"] for link in client.get("/api/v1/decisions/", query).json()["results"]]

    assert numbers(series="england-wales") == [6]
    assert numbers(model=champions[0].pk) == [1, 2]


@pytest.mark.parametrize("page", ["/api/v1/decisions/", reverse("admin:registry_decision_changelist")])
def test_lists_of_decisions_leave_the_evidence_of_the_models_where_it_is(
    champions: list[ModelVersion], people: People, page: str
) -> None:
    client = Client()
    client.force_login(people["approver"])
    with CaptureQueriesContext(connection) as queries:
        assert client.get(page).status_code == 200
    asked = [query["sql"] for query in queries if 'FROM "registry_decision"' in query["sql"]]
    assert asked
    assert not any('"evidence"' in sql or '"parameters"' in sql for sql in asked)


def test_an_approval_rule_is_set_and_changed_in_the_name_of_who_does_it(
    api: Callable[[str], APIClient], series: Series
) -> None:
    url, client = "/api/v1/approval-rules/", api("approver")
    made = client.post(url, {"series": "victoria", "margin": 0.05, "reason": "Weekly runs"})
    assert made.status_code == 201, made.content
    rule = made.json()
    assert (rule["enabled"], rule["margin"], rule["set_by"]) == (False, 0.05, "approver")
    changed = api("second_approver").patch(f"{url}{rule['id']}/", {"enabled": True, "reason": "It works"})
    assert changed.status_code == 200, changed.content
    assert (changed.json()["enabled"], changed.json()["margin"], changed.json()["set_by"]) == (
        True,
        0.05,
        "second_approver",
    )
    assert api("forecaster").get(url).json()["results"] == [changed.json()]
    assert client.get(f"{url}{rule['id']}/").json() == changed.json()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"margin": 1.5}, "margin"),
        ({"margin": "x"}, "margin"),
        ({"reason": " "}, "reason"),
        ({"series": "x"}, "series"),
    ],
)
def test_a_bad_rule_is_refused_by_name(
    api: Callable[[str], APIClient], series: Series, change: dict[str, Any], field: str
) -> None:
    body = {"series": "victoria", "margin": 0.05, "reason": "Weekly runs", **change}
    document = problem(api("approver").post("/api/v1/approval-rules/", body), 400)
    assert document["errors"][0]["field"] == field


def test_a_second_rule_of_a_series_and_a_change_without_a_reason_are_refused(
    api: Callable[[str], APIClient], series: Series
) -> None:
    url, client = "/api/v1/approval-rules/", api("approver")
    body = {"series": "victoria", "margin": 0.05, "reason": "Weekly runs"}
    rule = client.post(url, body).json()
    assert "change that one" in problem(client.post(url, body), 400)["detail"]
    problem(client.patch(f"{url}{rule['id']}/", {"enabled": True}), 400)
    problem(client.patch(f"{url}{rule['id']}/", {"margin": -1, "reason": "x"}), 400)
    problem(api("pipeline").post(url, body), 403)
    problem(api("pipeline").patch(f"{url}{rule['id']}/", {"enabled": True, "reason": "x"}), 403)
