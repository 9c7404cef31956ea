"""What the portal's environment variables must say."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from portal.config.environment import Environment

PRODUCTION = {
    "GRIDCAST_ENV": "prod",
    "SECRET_KEY": "a secret key of fifty characters and of its own, yes",
    "DATABASE_URL": "postgresql://gridcast:secret@db/gridcast",
    "REDIS_URL": "redis://broker:6379/0",
    "EMAIL_URL": "smtp://mail:25",
    "ALLOWED_HOSTS": "portal.example.org",
    "PORTAL_PUBLIC_URL": "https://portal.example.org",
    "AIRFLOW_PUBLIC_URL": "https://airflow.example.org/",
    "AIRFLOW_API_PASSWORD": "of the user airflow",
    "REPORTS_ROOT": "/var/lib/gridcast/reports",
}


def test_airflow_is_asked_where_people_open_it_unless_another_address_is_given() -> None:
    assert Environment.read(PRODUCTION).airflow_api_url == "https://airflow.example.org"
    inside = Environment.read({**PRODUCTION, "AIRFLOW_API_URL": "http://airflow-api-server:8080"})
    assert (inside.airflow_api_url, inside.airflow_api_username) == ("http://airflow-api-server:8080", "airflow")
    assert Environment.read({}).airflow_api_url == "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"AIRFLOW_API_PASSWORD": ""}, "AIRFLOW_API_PASSWORD is missing"),
        ({"AIRFLOW_API_URL": "airflow:8080"}, "AIRFLOW_API_URL is 'airflow:8080'"),
    ],
)
def test_production_does_not_start_when_it_could_not_ask_airflow(variables: dict[str, str], named: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=named):
        Environment.read({**PRODUCTION, **variables})
