"""Airflow's whole configuration on one machine, as environment variables; option names are those of Airflow 3.3."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from stack.credentials import write_private
from stack.home import CHECKOUT, Home
from stack.ports import HOST

# Who may do what in Airflow's UI and API: viewers read, users run DAGs, ops also change connections and pools.
ROLES = {"admin": "admin", "forecaster": "user", "approver": "viewer", "operator": "op"}
# The portal, which asks for runs: of the same name as the pipeline's account there, so that either knows the other.
PORTAL, PORTAL_ROLE = "airflow", "user"


def airflow_environment(
    *, home: Home, port: int, database_url: str, credentials: Mapping[str, Any], public_url: str | None = None
) -> dict[str, str]:
    """Return the AIRFLOW variables of every Airflow process, and write the file of its users' passwords."""
    url = public_url or f"http://{HOST}:{port}"
    passwords = home.airflow / "passwords.json"
    known = {name: credentials["users"][name] for name in ROLES} | {PORTAL: credentials["airflow_api_password"]}
    write_private(passwords, json.dumps(known) + "\n")
    options = {
        "core": {
            "executor": "LocalExecutor",
            "parallelism": str(max(2, min(os.cpu_count() or 2, 8))),
            "dags_folder": str(CHECKOUT / "dags"),
            "plugins_folder": str(CHECKOUT / "plugins"),
            "load_examples": "False",
            "asset_manager_class": "include.asset_manager.NewestEventAssetManager",
            "dags_are_paused_at_creation": "True",
            "fernet_key": credentials["airflow_fernet_key"],
            "simple_auth_manager_users": ",".join(
                f"{name}:{role}" for name, role in {**ROLES, PORTAL: PORTAL_ROLE}.items()
            ),
            "simple_auth_manager_passwords_file": str(passwords),
            "execution_api_server_url": f"http://{HOST}:{port}/execution/",
            "killed_task_cleanup_time": "10",
        },
        "database": {"sql_alchemy_conn": _sqlalchemy_url(database_url)},
        "api": {
            "host": HOST,
            "port": str(port),
            "base_url": url,
            "workers": "1",
            "secret_key": credentials["airflow_api_secret_key"],
        },
        "api_auth": {"jwt_secret": credentials["airflow_jwt_secret"]},
        "scheduler": {
            # A DAG of a few short tasks should take seconds, not the sum of idle sleeps.
            "scheduler_idle_sleep_time": "0.2",
            "scheduler_heartbeat_sec": "2",
            "orphaned_tasks_check_interval": "60",
        },
        "dag_processor": {
            "parsing_processes": "1",
            "min_file_process_interval": "120",
            "refresh_interval": "60",
            "dag_file_processor_timeout": "120",
            "print_stats_interval": "0",  # a table every half minute that says nothing new
        },
        "triggerer": {"capacity": "100"},
        "logging": {
            "base_log_folder": str(home.airflow / "logs"),
            "dag_processor_child_process_log_directory": str(home.airflow / "logs" / "dag_processor"),
            "colored_console_log": "False",
        },
    }
    variables = {
        f"AIRFLOW__{section.upper()}__{option.upper()}": value
        for section, values in options.items()
        for option, value in values.items()
    }
    variables["AIRFLOW_HOME"] = str(home.airflow)
    variables["PYTHONWARNINGS"] = "ignore"
    return variables


def _sqlalchemy_url(database_url: str) -> str:
    """SQLAlchemy names the driver in the scheme, and no longer knows ``postgres:``."""
    return "postgresql+psycopg2://" + database_url.partition("://")[2]
