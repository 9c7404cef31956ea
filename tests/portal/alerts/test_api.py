"""``/api/v1/alert-rules/`` and ``/api/v1/alerts/`` over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.response import Response
from rest_framework.test import APIClient

from portal.alerts.models import Alert, AlertRule
from portal.quality.models import CheckRun
from portal.series.models import Series

RULES, ALERTS = "/api/v1/alert-rules/", "/api/v1/alerts/"
Check = Callable[..., CheckRun]


@pytest.fixture
def api(operator: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(operator)


def problem(response: Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    return response.json()


def test_rules_are_listed_as_they_are(api: APIClient, rule: AlertRule) -> None:
    assert [listed["signal"] for listed in api.get(RULES).json()["results"]] == [
        "audit_broken",
        "deadline_near",
        "check_failed",
        "ingest_failed",
        "accuracy_lost",
    ]
    assert api.get(RULES).json()["results"][2:3] == [
        {
            "id": rule.pk,
            "name": "A failed check mails the operators",
            "signal": "check_failed",
            "series": None,
            "source": None,
            "minimum_severity": "fatal",
            "notify_operators": True,
            "addresses": [],
            "enabled": True,
        }
    ]


def test_a_rule_is_changed_field_by_field_and_its_history_names_who(
    api: APIClient, rule: AlertRule, series: Series, operator: User
) -> None:
    changes = {"series": "victoria", "addresses": ["desk@example.org"], "minimum_severity": "warning"}
    answer = api.patch(f"{RULES}{rule.pk}/", changes)
    assert answer.status_code == 200, answer.content
    assert changes.items() <= answer.json().items()
    rule.refresh_from_db()
    assert (rule.series, rule.addresses, rule.enabled) == (series, ["desk@example.org"], True)
    assert rule.history.first().history_user == operator


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"addresses": ["desk@example.org", "nobody"]}, "addresses"),
        ({"addresses": "desk@example.org"}, "addresses"),
        ({"addresses": ["a@example.org\r\nBcc: b@example.org"]}, "addresses"),
        ({"addresses": None}, "addresses"),
        ({"series": "atlantis"}, "series"),
        ({"minimum_severity": "mild"}, "minimum_severity"),
        ({"enabled": "perhaps"}, "enabled"),
        ({"name": ""}, "name"),
        ({"threshold": 3}, "threshold"),
    ],
)
def test_a_bad_change_is_refused_by_name(api: APIClient, rule: AlertRule, changes: dict[str, Any], field: str) -> None:
    document = problem(api.patch(f"{RULES}{rule.pk}/", changes), 400)
    assert document["errors"][0]["field"].split(".")[0] == field
    assert rule.history.count() == 1


def test_a_name_that_another_rule_has_is_refused(api: APIClient, rule: AlertRule) -> None:
    other = AlertRule.objects.create(name="Other")
    assert problem(api.patch(f"{RULES}{other.pk}/", {"name": rule.name}), 400)["errors"][0]["field"] == "name"


def test_a_change_that_leaves_nobody_to_mail_is_refused(api: APIClient, rule: AlertRule) -> None:
    document = problem(api.patch(f"{RULES}{rule.pk}/", {"notify_operators": False}), 400)
    assert "needs somebody to mail" in document["detail"]
    assert api.patch(f"{RULES}{rule.pk}/", {"notify_operators": False, "enabled": False}).status_code == 200


@pytest.mark.parametrize("body", [[], "text", 3])
def test_a_change_that_is_no_object_is_a_400(api: APIClient, rule: AlertRule, body: object) -> None:
    problem(api.patch(f"{RULES}{rule.pk}/", body), 400)


def test_who_only_reads_changes_no_rule(
    rule: AlertRule, make_user: Callable[..., User], client_of: Callable[[User], APIClient]
) -> None:
    reader = client_of(make_user("forecaster"))
    assert reader.get(f"{RULES}{rule.pk}/").status_code == 200
    problem(reader.patch(f"{RULES}{rule.pk}/", {"enabled": False}), 403)


def test_alerts_are_listed_newest_first_and_narrowed_by_series_and_state(
    api: APIClient, check: Check, rule: AlertRule, make_series: Callable[..., Series]
) -> None:
    check("failed")
    check("failed", name="flat_line", of=make_series("england-wales"))
    check("passed")

    def names(**query: str) -> list[str]:
        return [alert["check_name"] for alert in api.get(ALERTS, query).json()["results"]]

    assert names() == ["flat_line", "missing_share"]
    assert names(series="victoria") == ["missing_share"]
    assert names(state="firing") == ["flat_line"]
    problem(api.get(ALERTS, {"state": "great"}), 400)


def test_an_operator_acknowledges_over_http_once(api: APIClient, check: Check, rule: AlertRule) -> None:
    check("failed")
    url = f"{ALERTS}{Alert.objects.get().pk}/"
    answer = api.post(f"{url}acknowledge/")
    assert answer.status_code == 200, answer.content
    assert (answer.json()["state"], answer.json()["acknowledged_by"]) == ("acknowledged", "olga")
    assert api.get(url).json() == answer.json()
    problem(api.post(f"{url}acknowledge/"), 409)


def test_who_only_reads_acknowledges_nothing(
    check: Check, rule: AlertRule, make_user: Callable[..., User], client_of: Callable[[User], APIClient]
) -> None:
    check("failed")
    url = f"{ALERTS}{Alert.objects.get().pk}/acknowledge/"
    assert "alerts.acknowledge_alert" in problem(client_of(make_user("forecaster")).post(url), 403)["detail"]
    assert Alert.objects.get().state == "firing"
