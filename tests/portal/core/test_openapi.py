"""The OpenAPI document and its page."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.test import Client

OUTSIDE = re.compile(r"""(?:src|href|url)\s*[=(:]\s*["']?(?:https?:)?//(?!testserver)""")


@pytest.fixture
def schema() -> dict[str, Any]:
    response = Client().get("/api/schema/")
    assert response.status_code == 200
    return yaml.safe_load(response.content)


def test_the_document_is_valid_and_says_all_without_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("spectacular", validate=True, fail_on_warn=True)
    assert "openapi: 3" in capsys.readouterr().out


def test_every_operation_tells_of_its_refusals_and_of_the_login(schema: dict[str, Any]) -> None:
    operations = [operation for path in schema["paths"].values() for operation in path.values()]
    assert len(operations) > 30
    for operation in operations:
        problem = operation["responses"]["default"]["content"]["application/problem+json"]
        assert problem["schema"] == {"$ref": "#/components/schemas/Problem"}
        assert {"knoxApiToken": []} in operation["security"]


def test_each_write_by_post_takes_an_idempotency_key(schema: dict[str, Any]) -> None:
    for path, operations in schema["paths"].items():
        if "post" in operations:
            names = {parameter["name"] for parameter in operations["post"].get("parameters", ())}
            assert "Idempotency-Key" in names, path


def test_bulk_bodies_are_parquet_and_arrow(schema: dict[str, Any]) -> None:
    for path in ("/api/v1/observations/bulk/", "/api/v1/weather-forecasts/bulk/", "/api/v1/forecasts/bulk/"):
        assert set(schema["paths"][path]["post"]["requestBody"]["content"]) == {
            "application/vnd.apache.parquet",
            "application/vnd.apache.arrow.stream",
        }


def test_the_page_brings_everything_from_the_portal_itself(db: None) -> None:
    client = Client()
    page = client.get("/api/docs/")
    assert page.status_code == 200
    content = page.content.decode()
    assert not OUTSIDE.search(content)
    assert "<script>" not in content, "the content security policy forbids inline scripts"
    parts = re.findall(r'(?:src|href)="([^"]+)"', content)
    assert len(parts) >= 4
    for part in parts:
        answer = client.get(part)
        assert answer.status_code == 200, part
        answer.close()


def test_pages_forbid_scripts_and_frames_of_others() -> None:
    response = Client().get("/api/docs/")
    policy = response["Content-Security-Policy"]
    for rule in ("default-src 'self'", "object-src 'none'", "frame-ancestors 'none'"):
        assert rule in policy
    assert response["X-Content-Type-Options"] == "nosniff"
