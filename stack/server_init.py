"""First steps with servers, before anything else runs: ``python -m stack.server_init portal|airflow``.

For containers; on one machine the assembly does this. Both steps may be repeated. The people's passwords and the
portal's service token are made in the file that GRIDCAST_SECRETS names, on a volume that both steps see.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from stack.airflow_env import PORTAL
from stack.credentials import load_credentials
from stack.errors import StackError
from stack.home import CHECKOUT
from stack.postgres import ensure_database, sibling

FAB_ROLES = {"admin": "Admin", "forecaster": "User", "approver": "Viewer", "operator": "Op", PORTAL: "User"}


def initialise_portal(environment: Mapping[str, str]) -> None:
    """Migrate the portal's tables; make people, token, series and sources."""
    secrets = Path(_required(environment, "GRIDCAST_SECRETS"))
    load_credentials(secrets)
    _run("portal", "migrate", "--no-input")
    _run("portal", "bootstrap", "--secrets", str(secrets))
    _run("portal", "load_catalog", str(CHECKOUT / "data" / "catalog.json"))


def initialise_airflow(environment: Mapping[str, str]) -> None:
    """Make and migrate Airflow's database; make its users and its connection to the portal."""
    known = load_credentials(Path(_required(environment, "GRIDCAST_SECRETS")))
    if "service_token" not in known:
        raise StackError("the portal has made no service token yet; run `python -m stack.server_init portal` first")
    passwords = {**known["users"], PORTAL: _required(environment, "AIRFLOW_API_PASSWORD")}
    ensure_database(sibling(_required(environment, "DATABASE_URL"), "_airflow"))
    _run("airflow", "db", "migrate")
    host, _, port = _required(environment, "PORTAL_ADDRESS").partition(":")
    connection = {"conn_type": "http", "schema": "http", "host": host, "port": int(port or 80)}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"portal_default": {**connection, "password": known["service_token"]}}, file)
        file.flush()
        _run("airflow", "connections", "import", "--overwrite", file.name)
    for name, role in FAB_ROLES.items():
        about = ["--username", name, "--role", role, "--email", f"{name}@localhost", "--firstname", name]
        _run("airflow", "users", "create", *about, "--lastname", "Gridcast", "--password", passwords[name])
    # Made at the first start only, and the variable may have changed since.
    _run("airflow", "users", "reset-password", "--username", PORTAL, "--password", passwords[PORTAL])


def _required(environment: Mapping[str, str], name: str) -> str:
    if not environment.get(name):
        raise StackError(f"{name} is not set; docker-compose.airflow.yml says what it is for")
    return environment[name]


def _run(module: str, *arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, *arguments], cwd=CHECKOUT, check=False)
    if done.returncode:
        raise StackError(f"{module} {arguments[0]} failed with exit code {done.returncode}; its message is above")


def main() -> int:
    """Initialise the part that is named; what is wrong is said in a line."""
    parts = {"portal": initialise_portal, "airflow": initialise_airflow}
    parser = argparse.ArgumentParser(prog="python -m stack.server_init", description=__doc__)
    parser.add_argument("part", choices=parts)
    try:
        parts[parser.parse_args().part](os.environ)
    except StackError as error:
        print(f"[gridcast] {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
