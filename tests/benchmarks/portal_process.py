"""A portal as it runs in production (gunicorn, one worker), on a PostgreSQL of its own that waits for its disk."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from stack.credentials import load_credentials
from stack.home import CHECKOUT, Home
from stack.portal_env import base_environment, portal_environment
from stack.ports import HOST, Ports
from stack.service_user import remove_shelters
from stack.services import start_services
from stack.supervisor import ProcessSpec, Supervisor

PREFERRED = {"postgres": 25532, "valkey": 26479, "portal": 28000}
STEPS = (("migrate", "--no-input"), ("load_catalog", "catalog.json"), ("bootstrap", "--secrets", "secrets.json"))


@dataclass(frozen=True)
class PortalProcess:
    """Where the portal and its database answer. The worker is the process that does the work."""

    url: str
    token: str
    database_url: str
    worker: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)

    def manage(self, *arguments: str) -> float:
        """Seconds of one of the portal's commands, its start included. Raises CalledProcessError."""
        before = time.perf_counter()
        command = [sys.executable, "-m", "portal", *arguments]
        subprocess.run(command, cwd=CHECKOUT, env=dict(self.environment), capture_output=True, check=True)
        return time.perf_counter() - before

    def peak_memory_mb(self) -> float:
        """The most memory that the worker held since `forget_peak`, in MiB; Linux."""
        return _status_mb(self.worker, "VmHWM")

    def memory_mb(self) -> float:
        """What the worker holds now, in MiB; Linux."""
        return _status_mb(self.worker, "VmRSS")

    def forget_peak(self) -> None:
        """Let the peak begin anew."""
        Path(f"/proc/{self.worker}/clear_refs").write_text("5", encoding="ascii")


@contextmanager
def running_portal(catalog: dict[str, Any]) -> Iterator[PortalProcess]:
    """Start it with the series and sources of `catalog`; everything is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="gridcast-bench-"))
    folder.chmod(0o711)  # PostgreSQL's account passes through when root runs this
    home, ports = Home(folder), Ports(os.environ, PREFERRED)
    home.make()
    supervisor = Supervisor(home.logs)
    (folder / "catalog.json").write_text(json.dumps(catalog), encoding="utf-8")
    try:
        credentials = load_credentials(home.secrets_file)
        services = start_services(
            supervisor, home=folder, ports=ports, credentials=credentials, environment={}, ephemeral=False
        )
        url = f"http://{HOST}:{ports.choose('portal')}"
        environment = {
            **base_environment(os.environ),
            **portal_environment(
                home=home,
                credentials=credentials,
                database_url=services.database_url,
                redis_url=services.redis_url,
                email_url=f"smtp://{HOST}:1",
                portal_url=url,
                airflow_url=url,
            ),
        }
        for step in STEPS:
            arguments = [str(folder / part) if part.endswith(".json") else part for part in step]
            _start(supervisor, environment, step[0], ["-m", "portal", *arguments], does_one_thing=True)
            supervisor.finish(step[0], seconds=120)
        options = ["--config", "python:portal.config.gunicorn", "--bind", url.removeprefix("http://")]
        gunicorn = ["-m", "gunicorn", "portal.config.wsgi:application", *options, "--workers", "1"]
        _start(
            supervisor,
            environment,
            "portal",
            [*gunicorn, "--no-control-socket"],
            well=lambda: _answers(f"{url}/healthz/ready"),
        )
        supervisor.wait_until_well()
        token = load_credentials(home.secrets_file)["service_token"]
        yield PortalProcess(url, token, services.database_url, _worker(), environment)
    finally:
        supervisor.stop()
        ports.release()
        remove_shelters(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _start(
    supervisor: Supervisor, environment: dict[str, str], name: str, arguments: Sequence[str], **facts: Any
) -> None:
    command = [sys.executable, *arguments]
    supervisor.start(ProcessSpec(name=name, command=command, environment=environment, directory=CHECKOUT, **facts))


def _worker() -> int:
    """The gunicorn process below the one that this process started."""
    parents: dict[int, int] = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if b"gunicorn" in (process / "cmdline").read_bytes():
                status = (process / "status").read_text(encoding="utf-8")
                parents[int(process.name)] = int(status.partition("PPid:")[2].split()[0])
        except OSError:  # it has ended
            continue
    return next(pid for pid, parent in parents.items() if parents.get(parent) == os.getpid())


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.HTTPError:
        return False


def _status_mb(pid: int, name: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.partition(f"{name}:")[2].split()[0]) / 1024
