"""The stack's passwords and keys: made once, kept in one file that only its owner reads."""

from __future__ import annotations

import base64
import json
import os
import secrets
from pathlib import Path
from typing import Any

from stack.errors import StackError

PEOPLE = ("admin", "forecaster", "approver", "operator")
KEYS = (
    "postgres_password",
    "valkey_password",
    "django_secret_key",
    "airflow_api_secret_key",
    "airflow_jwt_secret",
    "airflow_api_password",
)


def load_credentials(path: Path) -> dict[str, Any]:
    """Return the credentials of ``path``, adding what is missing; the file is mode 0600.

    Keys: ``users`` (name → password), ``airflow_fernet_key``, those of KEYS, ``service_token`` (the portal's).
    Raises StackError when the file is not what this function wrote.
    """
    known: dict[str, Any] = {}
    if path.exists():
        try:
            known = json.loads(path.read_text())
            users = dict(known.get("users", {}))
        except (ValueError, TypeError, AttributeError) as error:
            raise StackError(
                f"{path} is not readable as the stack's credentials ({error}); restore it, or run make clean"
            ) from error
    else:
        users = {}
    complete = dict(known)
    complete["users"] = {**{name: secrets.token_urlsafe(9) for name in PEOPLE}, **users}
    complete.setdefault("airflow_fernet_key", base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
    for key in KEYS:
        complete.setdefault(key, secrets.token_urlsafe(48))
    if complete != known:
        write_private(path, json.dumps(complete, indent=2) + "\n")
    path.chmod(0o600)
    return complete


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
