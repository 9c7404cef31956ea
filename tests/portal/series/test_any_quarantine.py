"""Whatever is sent to the quarantine is kept whole, or refused in words; nothing is half-written."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from portal.series.models import Observation, QuarantinedRow, Series, Source

thorough = settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
URL = "/api/v1/quarantine/"
KEYS = ["row", "raw", "rule", "message", "values", "series", "valid_time", "value", "issue_time", "reason", "file"]
odd = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.characters(categories=["Cs"])
times = ["2014-11-01T00:00:00Z", "2014-11-01T00:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59Z"]
hostile = ["nul\0", "NaN", 5, 0, -5.0, 1e308, 10**400, "x" * 3000]
near = st.sampled_from(["victoria", "elsewhere", *times, *hostile])
anything = st.recursive(
    odd | near,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=10,
)
good = st.fixed_dictionaries(
    {"row": st.integers(0, 9), "raw": anything, "rule": st.just("not_a_time"), "message": st.text(max_size=9)},
    optional={"values": anything},
)
rows = st.lists(good | anything, max_size=3)
values = st.lists(
    st.fixed_dictionaries({"series": near, "valid_time": near, "value": near | st.none()}) | anything, max_size=3
)


def _sent(client: APIClient, url: str, body: Any) -> Any:
    text = json.dumps(body).encode("utf-8", "surrogatepass")
    answer = client.generic("POST", url, text, content_type="application/json")
    assert answer.status_code < 500, answer.content
    return answer


@pytest.fixture(autouse=True)
def source(make_series: Callable[..., Series]) -> Source:
    make_series("victoria")
    make_series("elsewhere")
    options = {"time_column": "t", "columns": [{"column": "load", "series": "victoria"}]}
    return Source.objects.create(slug="archive", name="Archive", url="a.csv", options=options)


@given(rows=rows, file=st.just("a.csv") | anything)
@thorough
def test_any_rows_are_kept_all_or_none(service: APIClient, rows: list[Any], file: Any) -> None:
    QuarantinedRow.objects.all().delete()
    answer = _sent(service, f"{URL}bulk/", {"source": "archive", "file": file, "rows": rows})
    kept = QuarantinedRow.objects.count()
    if answer.status_code == 200:
        told = answer.json()
        assert (told["received"], told["inserted"]) == (len(rows), kept)
        assert service.get(URL).status_code == 200, "what is kept can be given back"
    else:
        assert (answer.status_code, kept) == (400, 0)


@given(values=values | anything, reason=st.just("By phone") | anything)
@thorough
def test_any_correction_is_recorded_whole_or_not_at_all(
    make_user: Callable[..., User], client_of: Callable[[User], APIClient], source: Source, values: Any, reason: Any
) -> None:
    engineer = User.objects.filter(username="data_engineer").first() or make_user("data_engineer")
    row = QuarantinedRow.objects.create(
        source=source, file="a.csv", row=2, rule="not_a_time", raw="{}", message="m", fingerprint=str(id(values))
    )
    before = Observation.objects.count()
    answer = _sent(client_of(engineer), f"{URL}{row.pk}/correct/", {"values": values, "reason": reason})
    row.refresh_from_db()
    if answer.status_code == 200:
        assert row.status == "corrected"
        assert [each["series"] for each in row.recorded] == [each["series"] for each in values]
    else:
        assert answer.status_code in (400, 409)
        assert (row.status, Observation.objects.count()) == ("open", before)
    row.delete()
