"""Run one command beside a PostgreSQL and a Valkey that exist only as long as it does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from stack.credentials import load_credentials
from stack.ports import Ports
from stack.service_user import remove_shelters
from stack.services import start_services
from stack.supervisor import StoppedBySignal, Supervisor

PREFERRED = {"postgres": 25432, "valkey": 26379}


def run_with_services(command: Sequence[str]) -> int:
    """Run ``command`` with DATABASE_URL and REDIS_URL set; return its exit code (128 + signal when killed).

    Servers named by these variables beforehand are used as they are.
    """
    folder = Path(tempfile.mkdtemp(prefix="gridcast-services-"))
    folder.chmod(0o711)  # PostgreSQL's account passes through when root runs this; nothing in it can be listed
    logs = folder / "logs"
    logs.mkdir()
    supervisor = Supervisor(logs)
    ports = Ports(os.environ, PREFERRED)
    try:
        services = start_services(
            supervisor,
            home=folder,
            ports=ports,
            credentials=load_credentials(folder / "secrets.json"),
            environment=os.environ,
            ephemeral=True,
        )
        environment = {**os.environ, "DATABASE_URL": services.database_url, "REDIS_URL": services.redis_url}
        child = subprocess.Popen(list(command), env=environment, stdin=subprocess.DEVNULL, process_group=0)
        try:
            while True:
                try:
                    code = child.wait(timeout=1)
                    break
                except subprocess.TimeoutExpired:
                    supervisor.check()
        except StoppedBySignal as stopped:
            child.send_signal(stopped.number)
            child.wait(timeout=20)
            raise
    finally:
        supervisor.stop()
        ports.release()
        remove_shelters(folder)
        shutil.rmtree(folder, ignore_errors=True)
    if code < 0:
        print(f"{command[0]} was ended by signal {-code}", file=sys.stderr)
    return code if code >= 0 else 128 - code
