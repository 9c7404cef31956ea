"""docker-compose.airflow.yml: valid, healthy by checks, and nothing starts without its secrets."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from stack.home import CHECKOUT

FILE = CHECKOUT / "docker-compose.airflow.yml"
ONE_SHOT = {"portal-init", "airflow-init"}
SECRETS = ("POSTGRES_PASSWORD", "VALKEY_PASSWORD", "SECRET_KEY", "AIRFLOW_FERNET_KEY", "AIRFLOW_API_SECRET_KEY")
SECRETS += ("AIRFLOW_JWT_SECRET", "AIRFLOW_API_PASSWORD")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return content


def _has_compose() -> bool:
    docker = shutil.which("docker")
    return (
        bool(docker)
        and subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0
    )


def _config(tmp_path: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    env_file = tmp_path / "env"
    env_file.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    command = ["docker", "compose", "-f", str(FILE), "--env-file", str(env_file), "config", "--quiet"]
    plain = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(command, env=plain, capture_output=True, text=True, check=False)


def _required() -> set[str]:
    return set(re.findall(r"\$\{([A-Z_]+):\?[^}]+\}", FILE.read_text()))


@pytest.mark.skipif(not _has_compose(), reason="docker compose is not installed")
def test_docker_takes_the_file_when_everything_required_is_given(tmp_path: Path) -> None:
    done = _config(tmp_path, dict.fromkeys(_required(), "given"))
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not _has_compose(), reason="docker compose is not installed")
@pytest.mark.parametrize("secret", SECRETS)
def test_docker_refuses_to_start_without_a_secret_and_names_it(tmp_path: Path, secret: str) -> None:
    done = _config(tmp_path, dict.fromkeys(_required() - {secret}, "given"))
    assert done.returncode != 0
    assert secret in done.stderr


def test_no_secret_has_a_default() -> None:
    assert set(SECRETS) <= _required()
    with_default = re.findall(r"\$\{([A-Z_]+):?-", FILE.read_text())
    assert not set(SECRETS) & set(with_default)


def test_every_process_of_the_stack_is_there_with_a_health_check(compose: dict[str, Any]) -> None:
    services = compose["services"]
    long_running = set(services) - ONE_SHOT
    assert long_running == {
        "postgres",
        "valkey",
        "portal",
        "celery-worker",
        "celery-beat",
        "airflow-api-server",
        "airflow-scheduler",
        "airflow-dag-processor",
        "airflow-triggerer",
    }
    assert {name for name in long_running if "healthcheck" not in services[name]} == set()


def test_shared_airflow_does_not_use_the_auth_manager_of_demos(compose: dict[str, Any]) -> None:
    manager = compose["x-airflow-environment"]["AIRFLOW__CORE__AUTH_MANAGER"]
    assert manager == "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"


def test_every_folder_that_the_image_copies_is_in_the_checkout() -> None:
    copied = re.findall(r"^COPY (\S+) \S+$", (CHECKOUT / "Dockerfile").read_text(), flags=re.MULTILINE)
    assert {"dags", "forecasting", "include", "plugins", "portal", "stack"} <= set(copied)
    assert [name for name in copied if not (CHECKOUT / name).exists()] == []
