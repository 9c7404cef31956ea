"""Who may call what: one table of every endpoint, held against every role."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from portal.core import roles
from portal.core.access import ensure_groups

V1 = "/api/v1/"
EVERYBODY = frozenset(roles.ROLES)
Endpoint = tuple[str, str]

ALLOWED: dict[Endpoint, frozenset[str]] = {
    ("GET", "series/"): EVERYBODY,
    ("POST", "series/"): frozenset({"data_engineer"}),
    ("GET", "series/{slug}/"): EVERYBODY,
    ("PATCH", "series/{slug}/"): frozenset({"data_engineer"}),
    ("GET", "series/{slug}/observations/"): EVERYBODY,
    ("GET", "sources/"): EVERYBODY,
    ("GET", "sources/{slug}/"): EVERYBODY,
    ("GET", "ingest-runs/"): EVERYBODY,
    ("POST", "ingest-runs/"): frozenset({"service"}),
    ("GET", "ingest-runs/{id}/"): EVERYBODY,
    ("PATCH", "ingest-runs/{id}/"): frozenset({"service"}),
    ("POST", "observations/bulk/"): frozenset({"service"}),
    ("GET", "series/{slug}/weather-forecasts/"): EVERYBODY,
    ("POST", "weather-forecasts/bulk/"): frozenset({"service"}),
    ("GET", "quarantine/"): EVERYBODY,
    ("GET", "quarantine/{id}/"): EVERYBODY,
    ("POST", "quarantine/bulk/"): frozenset({"service"}),
    ("POST", "quarantine/settle/"): frozenset({"service"}),
    ("POST", "quarantine/{id}/correct/"): frozenset({"data_engineer"}),
    ("POST", "quarantine/{id}/replay/"): frozenset({"data_engineer"}),
    ("POST", "quarantine/{id}/dismiss/"): frozenset({"data_engineer"}),
    ("POST", "forecasts/bulk/"): frozenset({"service"}),
    ("GET", "forecasts/latest/"): EVERYBODY,
    ("GET", "forecasts/as-known/"): EVERYBODY,
    ("GET", "forecasts/by-lead-time/"): EVERYBODY,
    ("GET", "forecast-runs/"): EVERYBODY,
    ("GET", "forecast-runs/{id}/revision/"): EVERYBODY,
    ("POST", "forecast-runs/{id}/override/"): frozenset({"forecaster"}),
    ("GET", "overrides/value-added/"): EVERYBODY,
    ("GET", "forecast-runs/{id}/"): EVERYBODY,
    ("GET", "forecast-runs/{id}/values/"): EVERYBODY,
    ("GET", "publication-deadlines/"): EVERYBODY,
    ("POST", "publication-deadlines/"): frozenset({"operator"}),
    ("GET", "publication-deadlines/{id}/"): EVERYBODY,
    ("PATCH", "publication-deadlines/{id}/"): frozenset({"operator"}),
    ("DELETE", "publication-deadlines/{id}/"): frozenset({"operator"}),
    ("GET", "deadline-records/"): EVERYBODY,
    ("GET", "deadline-records/{id}/"): EVERYBODY,
    ("GET", "scores/"): EVERYBODY,
    ("POST", "scores/bulk/"): frozenset({"service"}),
    ("GET", "forecast-runs/due-for-scoring/"): EVERYBODY,
    ("GET", "accuracy/"): EVERYBODY,
    ("GET", "accuracy-signals/"): EVERYBODY,
    ("POST", "accuracy-signals/"): frozenset({"service"}),
    ("GET", "models/"): EVERYBODY,
    ("POST", "models/"): frozenset({"service"}),
    ("GET", "models/{id}/"): EVERYBODY,
    ("POST", "models/{id}/approve/"): frozenset({"approver"}),
    ("POST", "models/{id}/reject/"): frozenset({"approver"}),
    ("POST", "models/{id}/rollback/"): frozenset({"approver"}),
    ("GET", "decisions/"): EVERYBODY,
    ("GET", "decision-audits/"): EVERYBODY,
    ("GET", "approval-rules/"): EVERYBODY,
    ("POST", "approval-rules/"): frozenset({"approver"}),
    ("GET", "approval-rules/{id}/"): EVERYBODY,
    ("PATCH", "approval-rules/{id}/"): frozenset({"approver"}),
    ("GET", "check-runs/"): EVERYBODY,
    ("POST", "check-runs/"): frozenset({"service"}),
    ("GET", "check-runs/{id}/"): EVERYBODY,
    ("GET", "check-runs/{run_id}/reports/{name}"): EVERYBODY,
    ("PUT", "check-runs/{run_id}/reports/{name}"): frozenset({"service"}),
    ("GET", "alert-rules/"): EVERYBODY,
    ("GET", "alert-rules/{id}/"): EVERYBODY,
    ("PATCH", "alert-rules/{id}/"): frozenset({"operator"}),
    ("GET", "alerts/"): EVERYBODY,
    ("GET", "alerts/{id}/"): EVERYBODY,
    ("POST", "alerts/{id}/acknowledge/"): frozenset({"operator"}),
    ("GET", "dag-run-requests/"): EVERYBODY,
    ("GET", "dag-run-requests/{id}/"): EVERYBODY,
    ("POST", "dag-run-requests/{id}/retry/"): frozenset({"operator"}),
    ("GET", "retention-rules/"): EVERYBODY,
    ("GET", "retention-rules/{id}/"): EVERYBODY,
    ("PATCH", "retention-rules/{id}/"): frozenset({"operator"}),
    ("GET", "retention-runs/"): EVERYBODY,
    ("POST", "retention-runs/"): frozenset({"operator", "service"}),
    ("GET", "retention-runs/{id}/"): EVERYBODY,
    ("PATCH", "retention-runs/{id}/"): frozenset({"service"}),
    ("POST", "retention-runs/{id}/advance/"): frozenset({"operator", "service"}),
    ("GET", "registered-artifacts/"): EVERYBODY,
}


def call(client: APIClient, method: str, path: str) -> Any:
    path = re.sub(r"\{(id|run_id)\}", "1", path).replace("{slug}", "nowhere").replace("{name}", "a.html")
    return client.generic(method, V1 + path, b"{}" if method != "GET" else b"", content_type="application/json")


def test_every_endpoint_is_in_the_table() -> None:
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    served = {
        (method.upper(), path.removeprefix(V1)) for path, methods in paths.items() for method in methods if path != V1
    }
    assert served == set(ALLOWED)


@pytest.mark.parametrize("role", [*roles.ROLES, None])
def test_a_role_may_do_what_the_table_says_and_nothing_else(
    make_user: Callable[..., User], client_of: Callable[[User], APIClient], role: str | None
) -> None:
    client = client_of(make_user(role))
    refused = {endpoint for endpoint in ALLOWED if call(client, *endpoint).status_code in (401, 403)}
    assert refused == {endpoint for endpoint, allowed in ALLOWED.items() if role not in allowed}


def test_nothing_answers_without_a_login(db: None) -> None:
    answers = {endpoint: call(APIClient(), *endpoint).status_code for endpoint in ALLOWED}
    assert set(answers.values()) == {401}


def test_a_deactivated_account_gets_nowhere(
    make_user: Callable[..., User], client_of: Callable[[User], APIClient]
) -> None:
    user = make_user("service")
    client = client_of(user)
    assert client.get(f"{V1}series/").status_code == 200
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert client.get(f"{V1}series/").status_code == 401


def test_a_session_writes_only_with_a_csrf_token(make_user: Callable[..., User]) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(make_user("data_engineer"))
    assert client.get(f"{V1}series/").status_code == 200
    response = client.post(f"{V1}series/", {})
    assert response.status_code == 403
    assert "CSRF" in response.json()["detail"]


def test_a_role_is_put_back_to_what_it_should_hold(db: None) -> None:
    groups = ensure_groups()
    groups["forecaster"].permissions.set(groups["approver"].permissions.all())
    groups["approver"].permissions.clear()
    ensure_groups()
    for role, permissions in roles.ROLES.items():
        held = groups[role].permissions.values_list("content_type__app_label", "codename")
        assert {f"{app}.{codename}" for app, codename in held} == set(permissions)


def test_a_role_with_an_unknown_permission_is_refused_by_name(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roles, "ROLES", {"forecaster": ("series.juggle_series",)})
    with pytest.raises(ImproperlyConfigured, match=r"series\.juggle_series"):
        ensure_groups()
