"""What every test relies on: a real PostgreSQL and Valkey, no network but loopback, one thread per library."""

from __future__ import annotations

import os

import pytest
from pytest_socket import socket_allow_hosts

NEEDED = ("DATABASE_URL", "REDIS_URL")
LOOPBACK = ["127.0.0.1", "::1", "localhost"]

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("KERAS_BACKEND", "jax")


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
