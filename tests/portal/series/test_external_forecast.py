"""Somebody else's forecast beside a load: it must be one, in the same unit, on a grid that can be compared."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from rest_framework.test import APIClient

from portal.series.catalog import CatalogError, load_catalog
from portal.series.models import Series

VICTORIA = "/api/v1/series/victoria/"
MakeSeries = Callable[..., Series]
Problem = Callable[..., dict[str, Any]]


@pytest.fixture
def api(make_user: Callable[..., User], client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(make_user("data_engineer"))


@pytest.fixture
def theirs(make_series: MakeSeries) -> Callable[..., Series]:
    return lambda **facts: make_series("victoria-operator", **{"quantity": "load_forecast", **facts})


@pytest.mark.parametrize("resolution", [timedelta(minutes=30), timedelta(hours=1), timedelta(minutes=15)])
def test_a_forecast_on_the_same_grid_or_a_multiple_of_it_stands_beside_a_load(
    api: APIClient, make_series: MakeSeries, theirs: Callable[..., Series], resolution: timedelta
) -> None:
    make_series("victoria")
    theirs(resolution=resolution)
    response = api.patch(VICTORIA, {"external_forecast": "victoria-operator"}, format="json")
    assert response.status_code == 200, response.content
    assert api.get(VICTORIA).json()["external_forecast"] == "victoria-operator"
    assert api.patch(VICTORIA, {"external_forecast": None}, format="json").json()["external_forecast"] is None


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"quantity": "load"}, "a series of load_forecast is needed"),
        ({"quantity": "temperature", "unit": "°C"}, "of the quantity temperature"),
        ({"unit": "GW"}, "is in GW and victoria in MW"),
        ({"resolution": timedelta(minutes=20)}, "neither is a whole multiple"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_the_api_and_by_the_form(
    api: APIClient, make_series: MakeSeries, theirs: Callable[..., Series], problem: Problem, facts: Any, said: str
) -> None:
    load, other = make_series("victoria"), theirs(**facts)
    (error,) = problem(api.patch(VICTORIA, {"external_forecast": "victoria-operator"}, format="json"), 400)["errors"]
    assert error["field"] == "external_forecast"
    assert said in error["message"]
    load.external_forecast = other
    with pytest.raises(ValidationError) as refused:
        load.full_clean()
    assert said in str(refused.value.message_dict["external_forecast"])


def test_a_series_that_is_no_load_has_no_forecast_beside_it(
    api: APIClient, make_series: MakeSeries, theirs: Callable[..., Series], problem: Problem
) -> None:
    make_series("victoria", quantity="temperature")
    theirs()
    answer = problem(api.patch(VICTORIA, {"external_forecast": "victoria-operator"}, format="json"), 400)
    assert "only a load" in answer["errors"][0]["message"]


def test_a_forecast_that_is_in_use_keeps_the_unit_of_its_load(
    api: APIClient, make_series: MakeSeries, theirs: Callable[..., Series], problem: Problem
) -> None:
    make_series("victoria", external_forecast=theirs())
    refused = problem(api.patch("/api/v1/series/victoria-operator/", {"unit": "GW"}, format="json"), 400)
    assert "victoria-operator is in GW" in refused["errors"][0]["message"]


def entries(**facts: Any) -> dict[str, Any]:
    plain = {"unit": "MW", "timezone": "Australia/Melbourne", "resolution": "PT30M"}
    load = {"slug": "victoria", "name": "Victoria", "quantity": "load", "external_forecast": "operator", **plain}
    other = {"slug": "operator", "name": "The operator's", "quantity": "load_forecast", **plain, **facts}
    return {"series": [load, other]}


@pytest.mark.django_db
def test_the_catalog_names_it_in_any_order_and_says_the_same_again_without_a_change() -> None:
    load_catalog(entries())
    assert Series.objects.get(slug="victoria").external_forecast == Series.objects.get(slug="operator")
    assert load_catalog(entries()) == []


@pytest.mark.django_db
def test_the_catalog_refuses_one_that_does_not_fit() -> None:
    with pytest.raises(CatalogError, match="operator is in GW and victoria in MW"):
        load_catalog(entries(unit="GW"))
    assert not Series.objects.exists()
