"""Loopback ports for the stack's processes, never one that something else has."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping

from stack.errors import StackError

HOST = "127.0.0.1"
PREFERRED = {"portal": 8000, "airflow": 8080, "postgres": 15432, "valkey": 16379, "mail": 1025}
STEPS = 200


class Ports:
    """The ports of one stack, held for its lifetime.

    Between finding a port free and a server listening on it, another stack could take it. Each port is therefore also
    held by a name in Linux's abstract socket namespace, which every stack here sees and the kernel frees at exit.
    """

    def __init__(self, environment: Mapping[str, str], preferred: Mapping[str, int] = PREFERRED) -> None:
        self._environment = environment
        self._preferred = preferred
        self._holds: list[socket.socket] = []
        self.chosen: dict[str, int] = {}
        self.stepped_over: dict[str, tuple[int, int]] = {}
        """By name: the preferred port, which was taken, and the one in its place."""

    def choose(self, name: str) -> int:
        """Take the preferred port of ``name``, or the next free one.

        ``GRIDCAST_<NAME>_PORT`` fixes it; then a taken port is an error that names it. Raises StackError.
        """
        variable = f"GRIDCAST_{name.upper()}_PORT"
        fixed = self._environment.get(variable)
        if fixed:
            if not fixed.isdigit() or not 0 < int(fixed) < 65536:
                raise StackError(f"{variable}={fixed}: a port is a number from 1 to 65535")
            if not self._take(int(fixed)):
                raise StackError(f"port {fixed} ({variable}) is taken; free it, choose another or unset the variable")
            self.chosen[name] = int(fixed)
            return int(fixed)
        first = self._preferred[name]
        for port in range(first, min(first + STEPS, 65536)):
            if self._take(port):
                if port != first:
                    self.stepped_over[name] = (first, port)
                self.chosen[name] = port
                return port
        raise StackError(f"no free port for {name} from {first} to {first + STEPS - 1}; set {variable}")

    def release(self) -> None:
        """Let other stacks have the ports."""
        for hold in self._holds:
            hold.close()
        self._holds.clear()

    def _take(self, port: int) -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                return False
        if sys.platform != "linux":
            return True
        hold = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            hold.bind(f"\0gridcast-port-{port}")
        except OSError:
            hold.close()
            return False
        self._holds.append(hold)
        return True


def accepts_connections(port: int) -> bool:
    """True when something listens on the loopback port."""
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False
