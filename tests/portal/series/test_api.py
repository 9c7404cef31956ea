"""``/api/v1/series/`` and ``/api/v1/sources/`` over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from rest_framework.test import APIClient

from portal.series.models import Covariate, Series, Source

SERIES, SOURCES = "/api/v1/series/", "/api/v1/sources/"
Problem = Callable[..., dict[str, Any]]
MakeSeries = Callable[..., Series]


@pytest.fixture
def engineer(make_user: Callable[..., User]) -> User:
    return make_user("data_engineer")


@pytest.fixture
def api(engineer: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(engineer)


def facts(**changes: Any) -> dict[str, Any]:
    return {
        "slug": "victoria",
        "name": "Demand of Victoria",
        "quantity": "load",
        "unit": "MW",
        "timezone": "Australia/Melbourne",
        "resolution": "PT30M",
        "country": "AU",
        "subdivision": "VIC",
        "latitude": -37.8,
        "longitude": 144.9,
        "allows_export": False,
        "preprocessing": "standard",
        "scheduled": False,
        "covariates": [{"name": "temperature", "series": "melbourne", "weight": 0.5}],
        **changes,
    }


def test_a_series_is_made_and_read_back_whole(api: APIClient, make_series: MakeSeries, engineer: User) -> None:
    make_series("melbourne", quantity="temperature")
    response = api.post(SERIES, facts())
    assert response.status_code == 201, response.content
    assert response.json() == {**facts(), "external_forecast": None, "champion": None, "next_deadline": None}
    assert api.get(f"{SERIES}victoria/").json() == response.json()
    assert Series.objects.get(slug="victoria").history.first().history_user == engineer


def test_a_slug_that_is_taken_is_a_400(api: APIClient, make_series: MakeSeries, problem: Problem) -> None:
    make_series("victoria")
    (error,) = problem(api.post(SERIES, facts(covariates=[])), 400)["errors"]
    assert (error["field"], error["rule"]) == ("slug", "unique")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("slug", "not a slug"),
        ("slug", ""),
        ("name", ""),
        ("quantity", "price"),
        ("timezone", "Melbourne"),
        ("timezone", "../etc/passwd"),
        ("resolution", "PT7M"),
        ("resolution", "PT0M"),
        ("resolution", "P2D"),
        ("resolution", "30 minutes"),
        ("resolution", 30),
        ("country", "au"),
        ("subdivision", "victoria"),
        ("latitude", 90.1),
        ("latitude", "nan"),
        ("latitude", True),
        ("latitude", None),
        ("longitude", -180.1),
        ("longitude", "east"),
        ("longitude", None),
        ("preprocessing", "magic"),
        ("allows_export", "perhaps"),
        ("covariates", [{"name": "Temperature", "series": "melbourne"}]),
        ("covariates", [{"name": "temperature", "series": "atlantis"}]),
        ("covariates", [{"name": "temperature", "series": "melbourne", "weight": 0}]),
        ("covariates", [{"name": "temperature", "series": "melbourne", "weight": -1}]),
        ("covariates", [{"name": "temperature", "series": "melbourne"}] * 2),
        ("covariates", "melbourne"),
    ],
)
def test_a_bad_fact_is_a_400_that_names_it(
    api: APIClient, make_series: MakeSeries, problem: Problem, field: str, value: object
) -> None:
    make_series("melbourne", quantity="temperature")
    document = problem(api.post(SERIES, facts(**{field: value})), 400)
    assert {error["field"].split(".")[0] for error in document["errors"]} == {field}
    assert not Series.objects.filter(name="Demand of Victoria").exists()


def test_a_series_is_changed_field_by_field_and_its_history_names_who(
    api: APIClient, make_series: MakeSeries, engineer: User
) -> None:
    series = make_series("victoria")
    answer = api.patch(f"{SERIES}victoria/", {"scheduled": False, "name": "Victoria"})
    assert answer.status_code == 200, answer.content
    assert (answer.json()["scheduled"], answer.json()["name"]) == (False, "Victoria")
    assert series.history.first().history_user == engineer


def test_half_a_place_is_refused_and_a_whole_one_comes_and_goes(
    api: APIClient, make_series: MakeSeries, problem: Problem
) -> None:
    make_series("victoria")
    url = f"{SERIES}victoria/"
    assert problem(api.patch(url, {"latitude": -37.8}), 400)["errors"][0]["field"] == "longitude"
    assert api.patch(url, {"latitude": -37.8, "longitude": 144.9}).json()["longitude"] == 144.9
    assert api.patch(url, {"latitude": -38}).json()["latitude"] == -38
    assert problem(api.patch(url, {"latitude": None}), 400)["errors"][0]["field"] == "latitude"
    assert api.patch(url, {"latitude": None, "longitude": None}).json()["latitude"] is None


def test_given_covariates_replace_those_so_far_and_others_stay(api: APIClient, make_series: MakeSeries) -> None:
    make_series("victoria")
    for slug in ("melbourne", "geelong"):
        make_series(slug, quantity="temperature")
    for slug in ("melbourne", "geelong"):
        covariates = [{"name": "temperature", "series": slug, "weight": 1.0}]
        assert api.patch(f"{SERIES}victoria/", {"covariates": covariates}).json()["covariates"] == covariates
    assert api.patch(f"{SERIES}victoria/", {"name": "V"}).json()["covariates"] == covariates
    assert api.patch(f"{SERIES}victoria/", {"covariates": []}).json()["covariates"] == []


def test_a_series_is_no_covariate_of_itself(api: APIClient, make_series: MakeSeries, problem: Problem) -> None:
    series = make_series("victoria")
    covariates = [{"name": "load", "series": "victoria", "weight": 1}]
    problem(api.patch(f"{SERIES}victoria/", {"covariates": covariates}), 400)
    with pytest.raises(IntegrityError, match="series_covariate_of_another"), transaction.atomic():
        Covariate.objects.create(of=series, name="load", series=series)


def test_a_slug_stays_as_it_is(api: APIClient, make_series: MakeSeries, problem: Problem) -> None:
    make_series("victoria")
    problem(api.patch(f"{SERIES}victoria/", {"slug": "elsewhere"}), 400)
    assert api.patch(f"{SERIES}victoria/", {"slug": "victoria"}).status_code == 200


def test_the_resolution_of_a_series_with_observations_stays_as_it_is(
    api: APIClient,
    make_series: MakeSeries,
    rows: Callable[..., pa.Table],
    record: Callable[..., dict[str, Any]],
    problem: Problem,
) -> None:
    series = make_series("victoria")
    assert api.patch(f"{SERIES}victoria/", {"resolution": "PT1H"}).status_code == 200
    assert api.patch(f"{SERIES}victoria/", {"resolution": "PT30M"}).status_code == 200
    record(rows([1.0]))
    problem(api.patch(f"{SERIES}victoria/", {"resolution": "PT1H"}), 409)
    series.refresh_from_db()
    assert series.resolution == timedelta(minutes=30)


def test_the_quantity_of_a_series_with_observations_stays_as_it_is(
    api: APIClient,
    make_series: MakeSeries,
    rows: Callable[..., pa.Table],
    record: Callable[..., dict[str, Any]],
    problem: Problem,
) -> None:
    series = make_series("victoria")
    record(rows([1.0]))
    document = problem(api.patch(f"{SERIES}victoria/", {"quantity": "temperature"}), 409)
    assert document["detail"] == "victoria has observations of its quantity; another one needs a series of its own."
    assert api.patch(f"{SERIES}victoria/", {"quantity": "load", "resolution": "PT30M"}).status_code == 200
    series.refresh_from_db()
    assert series.quantity == "load"


def test_a_field_that_a_series_does_not_have_is_not_dropped_in_silence(
    api: APIClient, make_series: MakeSeries, problem: Problem
) -> None:
    make_series("victoria")
    document = problem(api.patch(f"{SERIES}victoria/", {"sheduled": False}), 400)
    assert document["errors"][0]["field"] == "sheduled"
    whole = api.get(f"{SERIES}victoria/").json()
    assert api.patch(f"{SERIES}victoria/", whole).json() == whole


def test_the_list_narrows_and_costs_the_same_queries_however_long_it_is(
    api: APIClient, make_series: MakeSeries, django_assert_max_num_queries: Any
) -> None:
    melbourne = make_series("melbourne", quantity="temperature", scheduled=False)
    for number in range(12):
        Covariate.objects.create(of=make_series(f"s{number:02}"), name="temperature", series=melbourne)
    with django_assert_max_num_queries(10):
        answer = api.get(SERIES).json()
    assert answer["count"] == 13
    assert [series["slug"] for series in api.get(SERIES, {"quantity": "temperature"}).json()["results"]] == [
        "melbourne"
    ]
    assert api.get(SERIES, {"scheduled": "true"}).json()["count"] == 12


def test_a_source_is_read_with_its_options(api: APIClient, problem: Problem) -> None:
    options = {"time_column": "t", "time_zone": "UTC", "columns": [{"column": "mw", "series": "victoria", "scale": 1}]}
    Source.objects.create(
        slug="archive", name="Archive", url="a.csv", options=options, availability_delay=timedelta(hours=1)
    )
    Source.objects.create(slug="live", name="Live", url="b.csv", scheduled=False)
    assert api.get(f"{SOURCES}archive/").json() == {
        "slug": "archive",
        "name": "Archive",
        "kind": "file",
        "feeds": "demand",
        "url": "a.csv",
        "connection": "",
        "options": options,
        "availability_delay": "PT1H",
        "enabled": True,
        "scheduled": True,
    }
    assert [source["availability_delay"] for source in api.get(SOURCES).json()["results"]] == ["PT1H", None]
    assert [source["slug"] for source in api.get(SOURCES, {"scheduled": "false"}).json()["results"]] == ["live"]
    problem(api.post(SOURCES, {}), 405)
