"""Whatever stands in the options of a source is a valid source or a refusal in words, on the page as in a catalog."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.series.catalog import CatalogError, load_catalog
from portal.series.models import Series, Source
from portal.series.source_kinds import KINDS, check_source
from portal.series.source_kinds.reference import reference

thorough = settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
KEYS = sorted({option.key.rpartition(".")[2] for kind in KINDS for option in reference(kind).options})
odd = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.characters(categories=["Cs"])
words = [
    "victoria",
    "melbourne",
    "atlantis",
    "start",
    "PT30M",
    "PT15M",
    "mean",
    "UTC",
    "csv",
    ",",
    "D",
    "load",
    "forecast",
]
hostile = ["nul\0", 1, 0, -1, 1e308, 10**400, "%(start)s %(end)s", "api_key", "a://b:c@d"]
near = st.sampled_from([*words, *hostile])
names = st.sampled_from(KEYS) | st.text(max_size=4)
anything = st.recursive(
    odd | near,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5),
    max_leaves=12,
)
columns = st.lists(st.dictionaries(names, near | anything, max_size=7), max_size=3)
options = anything | st.dictionaries(names, near | anything, max_size=6).flatmap(
    lambda found: columns.map(lambda listed: {**found, "columns": listed})
)
kinds = st.sampled_from(sorted(KINDS))
feeds = st.sampled_from(["demand", "weather"])


@pytest.fixture(autouse=True)
def _two_series(make_series: Any) -> None:
    make_series("victoria")
    make_series("melbourne", quantity="temperature")


@given(kind=kinds, feeds=feeds, options=options)
@thorough
def test_any_options_are_checked_to_the_end(kind: str, feeds: str, options: Any) -> None:
    url, connection = ("a.csv", "") if kind == "file" else ("", "x" if kind != "aggregate" else "")
    try:
        check_source(kind=kind, feeds=feeds, url=url, connection=connection, options=options)
    except ValidationError as error:
        said = [message for messages in error.message_dict.values() for message in messages]
        assert said
        assert all(message.encode() for message in said), "a message can be sent"
    else:
        Source.objects.create(slug=f"s{Source.objects.count()}", name="S", kind=kind, feeds=feeds, options=options)


@given(kind=kinds, options=options)
@thorough
def test_a_catalog_with_any_options_is_loaded_or_refused_in_words(kind: str, options: Any) -> None:
    entry = {"slug": "any", "name": "Any", "kind": kind, "options": options}
    entry |= {"url": "a.csv"} if kind == "file" else {"connection": "x"} if kind != "aggregate" else {}
    Source.objects.all().delete()
    try:
        load_catalog({"sources": [entry]})
    except CatalogError:
        assert not Source.objects.exists()
    else:
        assert Source.objects.get(slug="any").options == json.loads(json.dumps(options))


@given(
    kind=kinds,
    text=options.map(json.dumps) | st.text(max_size=30) | st.sampled_from(["[" * 5000, "9" * 5000, '{"a":1,"a":2}']),
)
@thorough
def test_a_page_with_any_text_for_options_saves_or_says_why_not(make_user: Any, kind: str, text: str) -> None:
    user = User.objects.filter(username="data_engineer").first() or make_user("data_engineer")
    client = Client()
    client.force_login(user)
    Source.objects.all().delete()
    sent = {"slug": "any", "name": "Any", "kind": kind, "feeds": KINDS[kind].feeds[0], "options": text}
    sent |= {"url": "a.csv"} if kind == "file" else {"connection": "x"} if kind != "aggregate" else {}
    answer = client.post(
        reverse("admin:series_source_add"), {k: v.encode("utf-8", "replace").decode() for k, v in sent.items()}
    )
    assert answer.status_code == (302 if Source.objects.exists() else 200)
    assert Series.objects.count() == 2
