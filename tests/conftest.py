"""What every test relies on: a real PostgreSQL and Valkey, no network but loopback, one thread per library."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from pytest_socket import socket_allow_hosts
from selenium import webdriver

NEEDED = ("DATABASE_URL", "REDIS_URL")
LOOPBACK = ["127.0.0.1", "::1", "localhost"]

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("KERAS_BACKEND", "jax")

# A busy machine is slow, and no test is about its speed. What Hypothesis itself chose for the place, as for CI, stays.
CHOSEN = settings.get_profile(settings.get_current_profile_name())
settings.register_profile("gridcast", CHOSEN, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gridcast")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to run against whatever database the defaults would name."""
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        raise pytest.UsageError(
            f"{' and '.join(missing)} not set: the tests run against a real PostgreSQL and Valkey. "
            "`make test` brings its own; to run a part: make test PYTEST_ARGS=tests/stack"
        )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Nothing outside this machine is reached from a test."""
    socket_allow_hosts(LOOPBACK, allow_unix_socket=True)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """The test database: rows may leave it, which the record refuses elsewhere, and leave it fast."""
    from django.db import connection

    from tests.emptying import empty

    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE tgtype & 32 <> 0")
        for table, trigger in cursor.fetchall():
            cursor.execute(f'ALTER TABLE {table} DISABLE TRIGGER "{trigger}"')
    connection.ops.sql_flush = empty  # what Django asks for the statements that end a test which commits


BROWSER_SECONDS = 60
"""How long a page may take until it shows what is looked for; a test goes on as soon as it does."""
CHROMIUM_OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",  # a container may have little of it
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1200",
)


@pytest.fixture
def open_browser(tmp_path: Path) -> Iterator[Callable[[], webdriver.Chrome]]:
    """Opens a headless Chromium with a profile of its own; skips the test where there is none."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("Chromium and chromedriver are not installed; on Debian: apt-get install chromium chromium-driver")
    opened: list[webdriver.Chrome] = []

    def start() -> webdriver.Chrome:
        options = webdriver.ChromeOptions()
        options.binary_location = browser
        for option in (*CHROMIUM_OPTIONS, f"--user-data-dir={tmp_path}/chromium-{len(opened)}"):
            options.add_argument(option)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        opened.append(webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)))
        opened[-1].implicitly_wait(BROWSER_SECONDS)
        return opened[-1]

    yield start
    for each in opened:
        each.quit()
