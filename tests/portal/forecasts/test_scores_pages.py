"""The page of a score, and that of the accuracy of a series: tables, charts and the ways between them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from portal.forecasts.models import AccuracySignal, ForecastScore
from portal.forecasts.scores.charts import Daily, daily_chart
from portal.registry.models import ModelVersion
from portal.series.models import Series

MIDNIGHT = datetime(2014, 11, 1, 13, tzinfo=UTC)
DAY = timedelta(days=1)
LIST = reverse("admin:forecasts_forecastscore_changelist")
ACCURACY = reverse("admin:forecasts_forecastscore_accuracy", args=("victoria",))


@pytest.fixture
def client(make_user: Callable[..., User]) -> Client:
    browser = Client()
    browser.force_login(make_user("operator", "operator at a browser"))
    return browser


@pytest.fixture
def scored(
    champion: ModelVersion, forecast: Callable[..., pa.Table], publish: Callable[..., Any]
) -> Callable[..., ForecastScore]:
    """Publishes and scores the run of one day, `number` days after the first."""

    def make(number: int = 0, **facts: Any) -> ForecastScore:
        issued = MIDNIGHT + number * DAY
        (run,) = publish(forecast([4000.0] * 48, issued=issued, model=champion))
        day = {
            "date": f"{(issued + 12 * timedelta(hours=1)):%Y-%m-%d}",
            "n": 48,
            "mae": 100.0 + number,
            "naive_mae": 200.0,
            "external_n": 48,
            "external_mae": 150.0,
            "mae_beside_external": 100.0,
            "model_mae": 70.0,
            "weather_mae": 30.0 + number,
            "peak_error": -40.0,
        }
        block = {"lead_time_from": 0.0, "lead_time_to": 24.0, "n": 48, "mae": 100.0, "naive_mae": 200.0}
        return ForecastScore.objects.create(
            forecast_run_id=run["id"],
            as_of=issued + 2 * DAY,
            **{
                "n": 48,
                "expected": 48,
                "mae": 100.0,
                "skill": 0.5,
                "baseline": {"n": 48, "mae": 200.0},
                "external": {"series": "operator", "known": "issue_time", "n": 48, "mae": 150.0, "skill": 0.333},
                "stability": {"against_run": run["id"], "n": 24, "mean_absolute_change": 12.5},
                "attribution": {"n": 48, "mae": 100.0, "model_mae": 70.0, "weather_mae": 30.0},
                "by_lead_time": [block],
                "by_day": [day],
                "airflow": {"dag_id": "score_forecasts", "run_id": "scheduled__1"},
                **facts,
            },
        )

    return make


def text(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def get(client: Client, address: str, **query: str) -> str:
    response = client.get(address, query)
    assert response.status_code == 200
    return response.content.decode()


def page_of(score: ForecastScore) -> str:
    return reverse("admin:forecasts_forecastscore_change", args=(score.pk,))


def test_the_list_shows_skill_and_leads_to_the_page_and_to_the_accuracy(
    client: Client, scored: Callable[..., ForecastScore]
) -> None:
    score = scored()
    page = get(client, LIST)
    assert "+50%" in text(page)
    assert "48 of 48" in text(page)
    assert page_of(score) in page
    assert ACCURACY in page
    assert page_of(score) in get(client, LIST, q="scheduled__1")
    assert page_of(score) not in get(client, LIST, q="scheduled")


def test_the_page_of_a_score_shows_it_beside_the_naive_and_the_others_and_split_by_weather(
    client: Client, scored: Callable[..., ForecastScore]
) -> None:
    score = scored()
    page = get(client, page_of(score))
    shown = text(page)
    assert "48 of 48 intervals, on the loads known 2014-11-03 13:00 UTC" in shown
    assert "MAE 100 200 150" in shown
    assert "operator, as it was known when this run was issued" in shown
    assert "MAE of 70 MW; the weather forecast is behind the other 30 MW" in shown
    assert "moved by 12.5 MW" in shown
    assert "0 to 24 48 100.0 200.0" in shown
    assert "2014-11-02 48 100.0 200.0 150.0" in shown
    assert page.count('<svg class="gc-chart"') == 2
    assert reverse("admin:forecasts_forecastrun_change", args=(score.forecast_run_id,)) in page
    assert "/dags/score_forecasts/runs/scheduled__1" in page
    assert ACCURACY in page


def test_a_score_with_nothing_beside_it_says_so(client: Client, scored: Callable[..., ForecastScore]) -> None:
    parts: dict[str, Any] = {"baseline": {}, "stability": {}, "by_day": [{"n": 1}], "by_lead_time": [], "skill": None}
    external = {"series": "operator", "skipped": "nothing was known"}
    score = scored(**parts, external=external, attribution={"skipped": "the artifact is damaged"})
    shown = text(get(client, page_of(score)))
    assert "Not compared with operator: nothing was known" in shown
    assert "not split into weather and model: the artifact is damaged" in shown
    assert "gc-chart" not in get(client, page_of(score))


def test_a_score_of_what_is_no_figure_is_shown_all_the_same(
    client: Client, scored: Callable[..., ForecastScore]
) -> None:
    score = scored(
        baseline={"mae": "x"},
        external={"series": "operator", "n": 1, "mae": []},
        by_day=[{"date": "2014-11-02", "n": 48, "mae": "x"}, 7],
        by_lead_time=[{"lead_time_from": "a", "lead_time_to": 6, "n": 1, "mae": 1.0}],
    )
    for address in (page_of(score), LIST, ACCURACY):
        get(client, address)


def test_the_accuracy_of_a_series_is_charted_by_day_and_by_lead_time(
    client: Client, scored: Callable[..., ForecastScore], series: Series
) -> None:
    for number in (0, 1, 2, 20):
        scored(number)
    AccuracySignal.objects.create(
        series=series, as_of=MIDNIGHT, window_days=14, n=9, state="drift", retrain=True, message="MAE 300 MW"
    )
    page = get(client, ACCURACY)
    shown = text(page)
    assert "Worse than expected as of 2014-11-01 13:00 UTC: MAE 300 MW. A training was asked for." in shown
    assert "4 runs, 192 intervals" in shown
    assert "105.8 200.0 94.3 0.47" in shown
    assert shown.index("2014-11-22 48 120.0") < shown.index("2014-11-02 48 100.0"), "newest first"
    assert page.count('<svg class="gc-chart"') == 2
    assert not re.search(r'(src|href)="(https?:)?//', page), "nothing comes from another host"
    assert "1 runs, 48 intervals" in text(get(client, ACCURACY, days="14"))
    assert "4 runs" in text(get(client, ACCURACY, days="no number"))


def test_days_without_a_score_leave_a_gap_in_the_chart(client: Client, scored: Callable[..., ForecastScore]) -> None:
    for number in (0, 1, 4, 5):
        scored(number)
    chart = re.search(r"<svg.*?by day.*?</svg>", client.get(ACCURACY).content.decode(), re.DOTALL)
    assert chart is not None
    assert [len(points.split()) for points in re.findall(r' points="([^"]*)"', chart[0])] == [2] * 6, "three lines"


def test_what_was_saved_is_counted_where_a_naive_is_known(client: Client, scored: Callable[..., ForecastScore]) -> None:
    scored()
    scored(1, by_day=[{"date": "2014-11-03", "n": 48, "mae": 400.0, "naive_mae": None}])
    assert "250.0 200.0 100.0 0.50" in text(get(client, ACCURACY))


def test_the_overview_leads_to_the_accuracy(client: Client, scored: Callable[..., ForecastScore]) -> None:
    scored()
    assert ACCURACY in get(client, reverse("admin:index"))


def test_a_series_without_scores_says_so_and_an_unknown_one_is_a_404(client: Client, series: Series) -> None:
    assert "has been scored yet" in get(client, ACCURACY)
    assert client.get(ACCURACY.replace("victoria", "atlantis")).status_code == 404


def test_whoever_may_not_look_at_scores_sees_no_accuracy(make_user: Callable[..., User], series: Series) -> None:
    stranger = Client()
    stranger.force_login(make_user(None))
    assert stranger.get(ACCURACY).status_code == 403


@pytest.mark.parametrize("errors", [[None, 5.0, None], [0.0] * 400, [1e-9, 1e12], [7.0]])
def test_a_chart_is_drawn_of_any_errors(errors: list[float | None]) -> None:
    days = [datetime(2024, 1, 1, tzinfo=UTC).date() + number * DAY for number in range(len(errors))]
    chart = daily_chart(days, [Daily("ours", errors)], title="<b>", unit="MW")
    assert chart.count("<circle") == sum(error is not None for error in errors)
    assert "&lt;b&gt;" in chart
    assert not re.search(r"\b(nan|inf)\b", chart)


def test_without_an_error_no_chart_is_drawn() -> None:
    assert daily_chart([], [Daily("ours", [])], title="", unit="MW") == ""


def test_what_followed_from_the_rolling_accuracy_is_listed_and_leads_on(client: Client, series: Series) -> None:
    signal = AccuracySignal.objects.create(
        series=series,
        as_of=MIDNIGHT,
        window_days=14,
        n=9,
        mae=300.0,
        state="drift",
        retrain=True,
        message="MAE 300 MW, expected 100 MW",
        airflow={"dag_id": "score_forecasts", "run_id": "scheduled__1"},
    )
    listed = get(client, reverse("admin:forecasts_accuracysignal_changelist"), q="scheduled__1")
    assert "Worse than expected" in listed
    assert ACCURACY in listed
    page = get(client, reverse("admin:forecasts_accuracysignal_change", args=(signal.pk,)))
    assert "MAE 300 MW, expected 100 MW" in page
    assert "/dags/score_forecasts/runs/scheduled__1" in page
