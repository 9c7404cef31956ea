"""Pages of series, sources, observations and quarantine."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from portal.core.paginator import BoundedPaginator
from portal.series.models import Covariate, Observation, QuarantinedRow, Series, Source


@pytest.fixture
def browser(make_user: Callable[..., User]) -> Callable[[str], Client]:
    def of(role: str) -> Client:
        client = Client()
        client.force_login(make_user(role))
        return client

    return of


def text(response: HttpResponse) -> str:
    assert response.status_code == 200
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def form(series: Series, **changes: Any) -> dict[str, Any]:
    return {
        "name": series.name,
        "unit": series.unit,
        "timezone": series.timezone,
        "country": series.country,
        "subdivision": series.subdivision,
        "preprocessing": series.preprocessing,
        "covariates-TOTAL_FORMS": 0,
        "covariates-INITIAL_FORMS": 0,
        **changes,
    }


def test_an_engineer_edits_a_series_and_the_history_shows_it(
    browser: Callable[[str], Client], make_series: Callable[..., Series]
) -> None:
    series, melbourne = make_series("victoria"), make_series("melbourne", quantity="temperature")
    client = browser("data_engineer")
    change = reverse("admin:series_series_change", args=(series.pk,))
    assert "Australia/Melbourne" in client.get(change).content.decode()
    inline = {
        "covariates-TOTAL_FORMS": 1,
        "covariates-0-name": "temperature",
        "covariates-0-series": melbourne.pk,
        "covariates-0-weight": "0.5",
        "covariates-0-of": series.pk,
    }
    assert client.post(change, form(series, name="Renamed", **inline)).status_code == 302
    series.refresh_from_db()
    assert series.name == "Renamed"
    assert Covariate.objects.get().series == melbourne
    assert "data_engineer" in text(client.get(reverse("admin:series_series_history", args=(series.pk,))))


def test_what_observations_stand_on_is_fixed_on_the_page(
    browser: Callable[[str], Client], make_series: Callable[..., Series]
) -> None:
    series = make_series("victoria")
    client = browser("data_engineer")
    change = reverse("admin:series_series_change", args=(series.pk,))
    sent = form(series, slug="other", quantity="temperature", resolution="01:00:00")
    assert client.post(change, sent).status_code == 302
    assert Series.objects.filter(slug="victoria", quantity="load", resolution=series.resolution).exists()
    assert client.post(reverse("admin:series_series_delete", args=(series.pk,)), {"post": "yes"}).status_code == 403


def test_a_bad_timezone_is_refused_on_the_page(
    browser: Callable[[str], Client], make_series: Callable[..., Series]
) -> None:
    series = make_series("victoria")
    change = reverse("admin:series_series_change", args=(series.pk,))
    answer = browser("data_engineer").post(change, form(series, timezone="Mars/Olympus"))
    assert "Mars/Olympus is not an IANA timezone" in text(answer)


def test_half_a_place_is_refused_on_the_page_and_by_the_database(
    browser: Callable[[str], Client], make_series: Callable[..., Series]
) -> None:
    series = make_series("victoria")
    change = reverse("admin:series_series_change", args=(series.pk,))
    answer = browser("data_engineer").post(change, form(series, latitude="-37.8"))
    assert "A place has a latitude and a longitude, or neither." in text(answer)
    with pytest.raises(IntegrityError, match="series_place_on_earth"), transaction.atomic():
        Series.objects.update(longitude=144.9)
    assert browser("approver").get(change).status_code == 200


def test_observations_are_looked_at_and_nothing_else(
    browser: Callable[[str], Client],
    make_series: Callable[..., Series],
    rows: Callable[..., pa.Table],
    record: Callable[..., dict[str, Any]],
) -> None:
    make_series("victoria")
    record(rows([4100.5, None]))
    client = browser("data_engineer")
    listed = client.get(reverse("admin:series_observation_changelist"))
    assert "4100.5" in text(listed)
    observation = Observation.objects.first()
    assert observation is not None
    page = reverse("admin:series_observation_change", args=(observation.pk,))
    assert client.get(page).status_code == 200
    assert client.post(page, {"value": 1}).status_code == 403
    assert client.get(reverse("admin:series_observation_add")).status_code == 403


def test_a_long_table_is_counted_to_a_bound_only(
    make_series: Callable[..., Series],
    rows: Callable[..., pa.Table],
    record: Callable[..., dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_series("victoria")
    record(rows([1.0] * 30))
    monkeypatch.setattr(BoundedPaginator, "bound", 20)
    paginator = BoundedPaginator(Observation.objects.all(), 10)
    assert (paginator.count, paginator.num_pages) == (20, 2)


def test_a_quarantined_row_is_shown_as_text_and_not_run(browser: Callable[[str], Client]) -> None:
    source = Source.objects.create(slug="archive", name="Archive", url="a.csv")
    row = QuarantinedRow.objects.create(
        source=source, file="a.csv", row=3, rule="x", raw='["<script>alert(1)</script>"]', message="<b>bad</b>"
    )
    client = browser("data_engineer")
    for page in (
        reverse("admin:series_quarantinedrow_changelist"),
        reverse("admin:series_quarantinedrow_change", args=(row.pk,)),
    ):
        content = client.get(page).content.decode()
        assert "&lt;b&gt;bad" in content
        assert "<script>alert" not in content


@pytest.mark.parametrize("page", ["series", "source"])
def test_a_forecaster_looks_and_does_not_edit(
    browser: Callable[[str], Client], make_series: Callable[..., Series], page: str
) -> None:
    make_series("victoria")
    client = browser("forecaster")
    assert client.get(reverse(f"admin:series_{page}_changelist")).status_code == 200
    assert client.get(reverse(f"admin:series_{page}_add")).status_code == 403
