"""A series, the pipeline that reports, an operator who reads, and a folder for the reports."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings
from rest_framework.test import APIClient

from portal.series.models import Series


@pytest.fixture
def series(make_series: Callable[..., Series]) -> Series:
    return make_series("victoria")


@pytest.fixture
def pipeline(make_user: Callable[..., User], client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(make_user("service", "pipeline"))


@pytest.fixture
def operator(make_user: Callable[..., User]) -> User:
    return make_user("operator", "olga", email="olga@example.org")


@pytest.fixture
def reports_root(tmp_path: Path, settings: Settings) -> Path:
    settings.REPORTS_ROOT = tmp_path / "reports"
    return settings.REPORTS_ROOT
