import logging

import pytest


@pytest.fixture(autouse=True)
def logging_as_before():
    """The command line sets up the process's logging, on a stream that ends with the test."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture
def csv(demand, tmp_path):
    path = tmp_path / "demand.csv"
    demand(days=40).rename_axis("timestamp").to_csv(path)
    return path
