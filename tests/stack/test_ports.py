"""Ports are never taken from someone else."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from stack.errors import StackError
from stack.ports import HOST, Ports, accepts_connections


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


def test_a_taken_port_is_stepped_over_and_named(taken: int) -> None:
    ports = Ports({}, {"portal": taken})
    chosen = ports.choose("portal")
    ports.release()
    assert taken < chosen
    assert ports.stepped_over == {"portal": (taken, ports.chosen["portal"])}
    assert ports.chosen == {"portal": chosen}


def test_two_stacks_that_have_not_bound_yet_get_different_ports(taken: int) -> None:
    first, second = Ports({}, {"portal": taken}), Ports({}, {"portal": taken})
    try:
        assert first.choose("portal") != second.choose("portal")
    finally:
        first.release()
        second.release()


def test_a_released_port_can_be_chosen_again(taken: int) -> None:
    first, second = Ports({}, {"portal": taken}), Ports({}, {"portal": taken})
    chosen = first.choose("portal")
    first.release()
    assert second.choose("portal") == chosen
    second.release()


def test_a_port_that_the_environment_fixes_is_an_error_when_taken(taken: int) -> None:
    with pytest.raises(StackError, match=rf"port {taken} \(GRIDCAST_PORTAL_PORT\) is taken"):
        Ports({"GRIDCAST_PORTAL_PORT": str(taken)}).choose("portal")


@pytest.mark.parametrize("value", ["http", "0", "65536", "-1"])
def test_a_port_that_is_none_is_refused_by_name(value: str) -> None:
    with pytest.raises(StackError, match="GRIDCAST_AIRFLOW_PORT"):
        Ports({"GRIDCAST_AIRFLOW_PORT": value}).choose("airflow")


def test_a_listening_port_is_told_from_a_silent_one(taken: int) -> None:
    assert accepts_connections(taken)
    with socket.socket() as silent:
        silent.bind((HOST, 0))
        assert not accepts_connections(silent.getsockname()[1])
