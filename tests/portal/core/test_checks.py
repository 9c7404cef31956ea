"""System checks: what is misconfigured is said at the start."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from pytest_django import Settings


def found(*, deploy: bool = False) -> set[str]:
    return {str(message.id) for message in run_checks(include_deployment_checks=deploy)}


def test_a_sound_configuration_passes() -> None:
    assert not {check for check in found() if check.startswith("gridcast.")}
    call_command("check", fail_level="WARNING")


def test_a_reports_folder_that_cannot_be_made_is_an_error(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings.REPORTS_ROOT = tmp_path / "file" / "reports"
    assert "gridcast.E001" in found()
    settings.REPORTS_ROOT = tmp_path / "new" / "reports"
    assert "gridcast.E001" not in found()


@pytest.mark.parametrize(
    ("url", "hosts", "wrong"),
    [
        ("http://portal.example", ["127.0.0.1"], True),
        ("http://portal.example:8000", ["portal.example"], False),
        ("http://[::1]:8000", ["[::1]"], False),
        ("http://portal.example", [".example"], False),
    ],
)
def test_links_that_lead_to_a_refusal_are_an_error(settings: Settings, url: str, hosts: list[str], wrong: bool) -> None:
    settings.PORTAL_PUBLIC_URL, settings.ALLOWED_HOSTS = url, hosts
    assert ("gridcast.E002" in found()) == wrong


def test_a_deployment_without_tls_is_warned_of(settings: Settings) -> None:
    settings.PORTAL_PUBLIC_URL = "http://127.0.0.1:8000"
    assert "gridcast.W001" not in found()
    assert "gridcast.W001" in found(deploy=True)
    settings.PORTAL_PUBLIC_URL = "https://127.0.0.1:8000"
    assert "gridcast.W001" not in found(deploy=True)


def test_the_models_and_the_migrations_agree(db: None) -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
