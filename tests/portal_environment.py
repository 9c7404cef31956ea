"""The environment of a process of the portal on the database of the tests."""

from __future__ import annotations

import os

from django.db import connection


def portal_environment(**changes: str) -> dict[str, str]:
    """The environment of the tests, with the database that Django made for them instead of the one beside it."""
    database = connection.settings_dict
    address = f"{database['HOST']}:{database['PORT'] or 5432}"
    password = f":{database['PASSWORD']}" if database["PASSWORD"] else ""
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "portal.config.settings",
        "DATABASE_URL": f"postgresql://{database['USER']}{password}@{address}/{database['NAME']}",
        **changes,
    }
