"""The overview and the pages of the ledger and the scores, as an operator sees them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from portal.core import roles
from portal.forecasts.models import ForecastRun, ForecastScore
from portal.registry.models import ModelVersion
from portal.series.models import Series
from portal.series.recording import record_observations

ISSUED = datetime(2014, 11, 1, 13, tzinfo=UTC)
STEP = timedelta(minutes=30)
OVERVIEW = reverse("admin:index")
Forecast = Callable[..., pa.Table]
Publish = Callable[..., list[dict[str, Any]]]
Browser = Callable[[str], Client]


@pytest.fixture
def browser(make_user: Callable[..., User]) -> Browser:
    def of(role: str) -> Client:
        client = Client()
        client.force_login(make_user(role, f"{role} at a browser"))
        return client

    return of


@pytest.fixture
def load(make_user: Callable[..., User]) -> Callable[..., None]:
    """Records half-hours of load from `start` on, known an hour later."""
    pipeline = make_user("service", "recorder")

    def record(values: list[float], start: datetime, slug: str = "victoria") -> None:
        times = [start + number * STEP for number in range(len(values))]
        utc = pa.timestamp("us", "UTC")
        table = pa.table(
            {
                "series": [slug] * len(values),
                "valid_time": pa.array(times, utc),
                "value": values,
                "known_at": pa.array([time + 2 * STEP for time in times], utc),
            }
        )
        assert not record_observations(table, recorded_at=datetime.now(UTC), by=pipeline).rejected

    return record


def text(response: HttpResponse) -> str:
    assert response.status_code == 200
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def page_of(run: ForecastRun) -> str:
    return reverse("admin:forecasts_forecastrun_change", args=(run.pk,))


def test_the_overview_of_an_empty_portal_says_how_to_begin(browser: Browser) -> None:
    assert "No load series yet" in text(browser("operator").get(OVERVIEW))


def test_the_overview_of_a_series_without_anything_says_so(browser: Browser, series: Series) -> None:
    response = browser("operator").get(OVERVIEW)
    shown = text(response)
    assert "Overview" in shown
    assert "Site administration" not in shown
    assert "never checked" in shown
    assert "none approved yet" in shown
    assert shown.count("none yet") == 2
    assert "gc-forecast" not in response.content.decode()


def test_the_overview_shows_the_latest_forecast_after_the_load_with_champion_and_score(
    browser: Browser, champion: ModelVersion, forecast: Forecast, publish: Publish, load: Callable[..., None]
) -> None:
    load([4000.0, math.nan, 4100.0, 4200.0], ISSUED - 5 * STEP)
    publish(forecast([4000.0] * 96, model=champion))
    run = ForecastRun.objects.get()
    ForecastScore.objects.create(forecast_run=run, as_of=ISSUED, n=96, mae=123.4, baseline={"mae": 300.0})
    response = browser("operator").get(OVERVIEW)
    shown = text(response)
    assert "arima v1" in shown
    assert "MAE 123.4 MW, seasonal naive 300.0" in shown
    assert "issued 2014-11-01 13:00" in shown
    content = response.content.decode()
    assert content.count('<svg class="gc-forecast"') == 1
    assert page_of(run) in content
    assert not re.search(r'(src|href)="(https?:)?//', content), "nothing comes from another host"
    assert not re.search(r"points=\"[^\"]*nan", content)


def test_a_fallback_is_marked_on_the_overview(
    browser: Browser, series: Series, forecast: Forecast, publish: Publish
) -> None:
    publish(forecast())
    assert "Seasonal naive" in text(browser("operator").get(OVERVIEW))


def test_temperatures_have_no_card_and_loads_beyond_the_bound_are_counted(
    browser: Browser, make_series: Callable[..., Series]
) -> None:
    make_series("melbourne", quantity="temperature")
    for number in range(26):
        make_series(f"area-{number:02}")
    response = browser("operator").get(OVERVIEW)
    assert response.content.decode().count('class="gc-card"') == 24
    assert "2 more series" in text(response)


def test_whoever_may_not_look_at_series_sees_no_cards(make_user: Callable[..., User], series: Series) -> None:
    client = Client()
    client.force_login(make_user(None))
    assert "gc-card" not in client.get(OVERVIEW).content.decode()


def test_the_page_of_a_run_shows_chart_facts_and_values_on_both_clocks(
    browser: Browser, champion: ModelVersion, forecast: Forecast, publish: Publish, load: Callable[..., None]
) -> None:
    publish(forecast([4000.0, 4100.5], model=champion))
    load([4000.0] * 10, ISSUED - 6 * STEP)
    response = browser("operator").get(page_of(ForecastRun.objects.get()))
    shown = text(response)
    assert "2014-11-01 13:00 2014-11-02T00:00:00+11:00 3,900.0 4,000.0 4,100.0" in shown
    assert "0.5, MW" in shown
    assert "Rung Champion Reason" in shown
    assert response.content.decode().count('<svg class="gc-forecast"') == 1


def test_the_chart_of_the_overview_shows_only_what_the_forecast_could_have_seen(
    browser: Browser, series: Series, forecast: Forecast, publish: Publish, load: Callable[..., None]
) -> None:
    publish(forecast([4000.0] * 4))
    load([4000.0] * 4, ISSUED - STEP)
    lines = re.compile(r'<g class="gc-load">(.*?)</g>')
    client = browser("operator")
    (overview,) = lines.findall(client.get(OVERVIEW).content.decode())
    (page,) = lines.findall(client.get(page_of(ForecastRun.objects.get())).content.decode())
    assert overview == ""
    assert page.count("<polyline") == 1, "the page of the run shows what came true"


def test_a_reason_is_shown_as_text_and_not_run(
    browser: Browser, series: Series, forecast: Forecast, publish: Publish
) -> None:
    publish(forecast(reason="<script>alert(1)</script>"))
    content = browser("operator").get(page_of(ForecastRun.objects.get())).content.decode()
    assert "&lt;script&gt;alert(1)" in content
    assert "<script>alert(1)" not in content


def test_the_ledger_and_the_scores_are_listed_and_nothing_in_them_is_edited(
    browser: Browser, champion: ModelVersion, forecast: Forecast, publish: Publish
) -> None:
    publish(forecast(model=champion))
    run = ForecastRun.objects.get()
    ForecastScore.objects.create(forecast_run=run, as_of=ISSUED, n=96, mae=123.4, baseline={"mae": 300.0})
    client = browser("operator")
    assert "arima v1" in text(client.get(reverse("admin:forecasts_forecastrun_changelist")))
    assert "300.0" in text(client.get(reverse("admin:forecasts_forecastscore_changelist")))
    assert client.post(page_of(run), {"reason": "better"}).status_code == 403
    assert (
        client.post(reverse("admin:forecasts_forecastrun_delete", args=(run.pk,)), {"post": "yes"}).status_code == 403
    )
    assert client.get(reverse("admin:forecasts_forecastrun_add")).status_code == 403


def test_a_run_that_is_not_there_leads_back(browser: Browser, series: Series) -> None:
    response = browser("operator").get(reverse("admin:forecasts_forecastrun_change", args=(12345,)))
    assert response.status_code == 302


@pytest.mark.parametrize("role", [role for role in roles.ROLES if role != "service"])
def test_each_role_finds_every_page_that_its_sidebar_names(browser: Browser, series: Series, role: str) -> None:
    client = browser(role)
    content = client.get(OVERVIEW).content.decode()
    links = set(re.findall(r'href="(/admin/[a-z]+/[a-z]+/)"', content))
    assert len(links) >= 8
    assert not any("/auth/" in link for link in links), "people are the superuser's"
    for link in links:
        assert client.get(link).status_code == 200, link


@pytest.mark.parametrize(
    ("values", "history"),
    [
        ([0.0], []),
        ([0.0, 0.0], [0.0]),
        ([-50.0, 50.0], [math.nan, math.nan]),
        ([1e-9, 2e-9, 1e12], [5.0]),
        ([4000.0] * 2000, [4000.0] * 144),
    ],
    ids=["one value", "all zero", "only gaps", "wide", "long"],
)
def test_a_chart_is_drawn_of_any_values(
    browser: Browser,
    make_series: Callable[..., Series],
    forecast: Forecast,
    publish: Publish,
    load: Callable[..., None],
    values: list[float],
    history: list[float],
) -> None:
    make_series("victoria", allows_export=True)
    publish(forecast(values))
    if history:
        load(history, ISSUED - (len(history) + 1) * STEP)
    content = browser("operator").get(OVERVIEW).content.decode()
    svg = re.search(r"<svg class=\"gc-forecast\".*?</svg>", content, re.DOTALL)
    assert svg is not None
    assert not re.search(r"\b(nan|inf)\b", svg.group())
