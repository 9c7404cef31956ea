"""``python -m portal bootstrap``: from an empty database to people, roles and a working token."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from knox.models import AuthToken
from pytest_django import Settings
from rest_framework.test import APIClient

from portal.alerts.models import AlertRule
from portal.core import roles

pytestmark = pytest.mark.django_db
Bootstrap = Callable[[], tuple[dict[str, Any], str]]


@pytest.fixture(autouse=True)
def _cheap_passwords(settings: Settings) -> None:
    """Passwords are made slow to guess; here they would only make the tests slow."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "secrets.json"


@pytest.fixture
def bootstrap(path: Path, capsys: pytest.CaptureFixture[str]) -> Bootstrap:
    """Runs the command; gives what the file holds then and what was said."""

    def run() -> tuple[dict[str, Any], str]:
        call_command("bootstrap", secrets=path)
        return json.loads(path.read_text()), capsys.readouterr().out

    return run


def client_with(token: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    return client


def test_an_empty_portal_gets_its_people_roles_token_and_alert_rule(bootstrap: Bootstrap, path: Path) -> None:
    secrets, said = bootstrap()
    assert set(secrets["users"]) == {*roles.PEOPLE, roles.SUPERUSER}
    assert path.stat().st_mode & 0o777 == 0o600
    assert secrets["service_token"] not in said
    assert {group.name for group in Group.objects.all()} == set(roles.ROLES)
    assert AlertRule.objects.count() == len(AlertRule.Signal)
    for username, role in roles.PEOPLE.items():
        user = User.objects.get(username=username)
        assert [group.name for group in user.groups.all()] == [role]
        assert (user.is_staff, user.is_superuser) == (True, False)
        assert user.check_password(secrets["users"][username])
    assert User.objects.get(username="admin").is_superuser
    service = User.objects.get(username="airflow")
    assert not service.has_usable_password()
    assert not service.is_staff
    assert client_with(secrets["service_token"]).get("/api/v1/series/").status_code == 200


def test_a_person_logs_in_with_the_password_of_the_file(bootstrap: Bootstrap) -> None:
    secrets, _ = bootstrap()
    client = Client()
    form = {"username": "approver", "password": secrets["users"]["approver"]}
    assert client.post("/admin/login/?next=/admin/", form).status_code == 302
    assert client.get("/admin/").status_code == 200


def test_a_second_run_changes_nothing(bootstrap: Bootstrap) -> None:
    first, _ = bootstrap()
    hashes = dict(User.objects.values_list("username", "password"))
    second, said = bootstrap()
    assert said == "bootstrap: nothing to do\n"
    assert second == first
    assert dict(User.objects.values_list("username", "password")) == hashes
    assert AuthToken.objects.count() == 1
    assert AlertRule.objects.count() == len(AlertRule.Signal)


def test_given_passwords_are_set_and_other_keys_are_kept(bootstrap: Bootstrap, path: Path) -> None:
    path.write_text(json.dumps({"users": {"operator": "given-by-the-stack"}, "airflow": {"key": 1}}))
    secrets, _ = bootstrap()
    assert User.objects.get(username="operator").check_password("given-by-the-stack")
    assert (secrets["users"]["operator"], secrets["airflow"]) == ("given-by-the-stack", {"key": 1})


def test_a_changed_password_in_the_file_is_set(bootstrap: Bootstrap, path: Path) -> None:
    secrets, _ = bootstrap()
    path.write_text(json.dumps({**secrets, "users": {**secrets["users"], "operator": "another-one"}}))
    _, said = bootstrap()
    assert said == "bootstrap: set the password of operator\n"
    assert User.objects.get(username="operator").check_password("another-one")


@pytest.mark.parametrize("how", ["deleted", "expired", "foreign", "invented"])
def test_a_token_that_is_no_longer_good_is_replaced(bootstrap: Bootstrap, path: Path, how: str) -> None:
    secrets, _ = bootstrap()
    old = secrets["service_token"]
    if how == "deleted":
        AuthToken.objects.all().delete()
    elif how == "expired":
        AuthToken.objects.update(expiry=timezone.now())
    elif how == "foreign":
        AuthToken.objects.update(user=User.objects.get(username="operator"))
    else:
        path.write_text(json.dumps({**secrets, "service_token": "invented"}))
    again, said = bootstrap()
    assert said == "bootstrap: made a token for airflow\n"
    assert again["service_token"] not in (old, "invented")
    assert client_with(again["service_token"]).get("/api/v1/series/").status_code == 200


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"users": []}', '{"users": {"admin": ""}}', '{"users": {"admin": 1}}', '{"service_token": 1}'],
)
def test_a_file_of_another_form_is_refused_and_left_as_it_is(bootstrap: Bootstrap, path: Path, content: str) -> None:
    path.write_text(content)
    with pytest.raises(CommandError, match=r"secrets\.json"):
        bootstrap()
    assert path.read_text() == content
    assert not User.objects.exists()


def test_a_token_that_cannot_be_written_down_is_not_made(bootstrap: Bootstrap, path: Path) -> None:
    path.mkdir()
    (path / "in the way").touch()
    with pytest.raises(CommandError, match="cannot be"):
        bootstrap()
    assert not User.objects.exists()
    assert not AuthToken.objects.exists()
