"""Airflow's configuration: every option exists, every secret stays ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from portal.config.environment import Environment
from stack.airflow_env import ROLES, airflow_environment
from stack.credentials import load_credentials
from stack.home import CHECKOUT, Home
from stack.portal_env import base_environment, portal_environment

DATABASE = "postgresql://gridcast:secret@127.0.0.1:15432/gridcast_airflow"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.make()
    return home


@pytest.fixture
def variables(home: Home) -> dict[str, str]:
    credentials = load_credentials(home.secrets_file)
    return airflow_environment(home=home, port=8099, database_url=DATABASE, credentials=credentials)


def _asked_of_airflow(variables: dict[str, str]) -> dict[str, object]:
    """What Airflow makes of the variables, in a process of its own: it reads its configuration at import."""
    script = """
import json, os
from airflow.configuration import conf
options = [name.split("__")[1:] for name in os.environ if name.startswith("AIRFLOW__")]
known = conf.configuration_description
unknown = [each for each in options if each[1].lower() not in known.get(each[0].lower(), {}).get("options", {})]
seen = {"executor": conf.get("core", "executor"), "dags": conf.get("core", "dags_folder")}
print(json.dumps({"unknown": unknown, **seen}))
"""
    environment = {**base_environment(os.environ), **variables}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return seen


def test_airflow_knows_every_option_and_takes_its_value(variables: dict[str, str]) -> None:
    seen = _asked_of_airflow(variables)
    assert seen == {"unknown": [], "executor": "LocalExecutor", "dags": str(CHECKOUT / "dags")}


def test_airflow_knows_every_option_of_the_compose_file(tmp_path: Path) -> None:
    compose = yaml.safe_load((CHECKOUT / "docker-compose.airflow.yml").read_text())
    variables = {name: str(value) for name, value in compose["x-airflow-environment"].items() if "${" not in str(value)}
    required = {name: "1" for name in compose["x-airflow-environment"] if name not in variables}
    required |= {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite:////nowhere", "AIRFLOW_HOME": str(tmp_path)}
    seen = _asked_of_airflow({**variables, **required})
    assert seen == {"unknown": [], "executor": "LocalExecutor", "dags": "/opt/gridcast/dags"}


def test_people_log_in_with_the_passwords_of_the_credentials(home: Home, variables: dict[str, str]) -> None:
    path = Path(variables["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])
    known = load_credentials(home.secrets_file)
    people = {name: known["users"][name] for name in ROLES}
    assert json.loads(path.read_text()) == {**people, "airflow": known["airflow_api_password"]}
    assert path.stat().st_mode & 0o777 == 0o600


def test_airflow_answers_on_loopback_only_and_with_a_secret_long_enough_for_its_tokens(
    variables: dict[str, str],
) -> None:
    assert variables["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert len(variables["AIRFLOW__API_AUTH__JWT_SECRET"]) >= 64


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_the_database_url_is_spelled_as_sqlalchemy_wants_it(home: Home, scheme: str) -> None:
    url = f"{scheme}://someone:a%40b@db.example:5433/name?sslmode=require"
    credentials = load_credentials(home.secrets_file)
    variables = airflow_environment(home=home, port=1, database_url=url, credentials=credentials)
    expected = "postgresql+psycopg2://someone:a%40b@db.example:5433/name?sslmode=require"
    assert variables["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == expected


def test_another_projects_configuration_does_not_leak_in() -> None:
    outside = {
        "AIRFLOW_HOME": "/theirs",
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW_CONN_PORTAL_DEFAULT": "http://theirs",
        "DJANGO_SETTINGS_MODULE": "theirs.settings",
        "PYTHONPATH": "/theirs",
        "PATH": "/usr/bin",
        "NO_PROXY": "intranet",
    }
    ours = base_environment(outside)
    assert not [name for name in ours if name.startswith(("AIRFLOW", "DJANGO"))]
    assert ours["PYTHONPATH"] == str(CHECKOUT)
    assert ours["PATH"] == "/usr/bin"
    assert ours["NO_PROXY"] == "intranet,127.0.0.1,localhost"


def test_connections_of_sources_may_be_given_as_variables() -> None:
    assert base_environment({"AIRFLOW_CONN_EIA": "http://:key@/"})["AIRFLOW_CONN_EIA"] == "http://:key@/"


def test_the_portal_asks_as_the_user_that_airflow_knows(home: Home, variables: dict[str, str]) -> None:
    credentials = load_credentials(home.secrets_file)
    portal = portal_environment(
        home=home,
        credentials=credentials,
        database_url=DATABASE,
        redis_url="redis://127.0.0.1",
        email_url="smtp://127.0.0.1",
        portal_url="http://127.0.0.1:8000",
        airflow_url="http://127.0.0.1:8099",
    )
    read = Environment.read(portal)
    passwords = json.loads(Path(variables["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"]).read_text())
    assert passwords[read.airflow_api_username] == read.airflow_api_password
    assert f"{read.airflow_api_username}:user" in variables["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"].split(",")
    assert read.airflow_api_url == "http://127.0.0.1:8099"
