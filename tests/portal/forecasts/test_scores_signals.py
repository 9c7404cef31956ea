"""``accuracy-signals/``: drift fires the alert rules in the same transaction, its end resolves them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from portal.alerts.models import Alert
from portal.alerts.operations import ensure_default_rules
from portal.forecasts.models import AccuracySignal
from portal.forecasts.scores.operations import record_signal
from portal.series.models import Series

SIGNALS = "/api/v1/accuracy-signals/"
TODAY = datetime.now(UTC).replace(microsecond=0)
"""What is as of long ago fires nothing."""
Post = Callable[..., dict[str, Any]]


def days_ago(days: int) -> str:
    return f"{TODAY - timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"


def signal(**changes: Any) -> dict[str, Any]:
    return {
        "series": "victoria",
        "as_of": days_ago(3),
        "window_days": 14,
        "n": 14,
        "mae": 300.0,
        "naive_mae": 350.0,
        "reference_mae": 150.0,
        "state": "drift",
        "retrain": True,
        "message": "MAE 300 MW over 14 runs; 150 MW were expected.",
        "airflow": {"dag_id": "score_forecasts", "run_id": "manual__1"},
        **changes,
    }


@pytest.fixture
def post(service: APIClient, series: Series) -> Post:
    ensure_default_rules()

    def send(status: int = 201, **changes: Any) -> dict[str, Any]:
        answer = service.post(SIGNALS, signal(**changes))
        assert answer.status_code == status, answer.content
        return dict(answer.json())

    return send


def alerts() -> list[tuple[str, str]]:
    return list(Alert.objects.filter(rule__signal="accuracy_lost").order_by("pk").values_list("state", "message"))


def test_drift_is_kept_whole_and_fires_one_alert_with_its_numbers(service: APIClient, post: Post) -> None:
    kept = post()
    assert signal().items() <= kept.items()
    assert service.get(SIGNALS, {"series": "victoria", "state": "drift", "retrain": "true"}).json()["results"] == [kept]
    for as_of, found in ((kept["as_of"], [kept]), (days_ago(4), [])):
        assert service.get(SIGNALS, {"as_of": as_of}).json()["results"] == found
    assert alerts() == [("firing", signal()["message"])]
    post(as_of=days_ago(2), message="MAE 310 MW")
    assert alerts() == [("firing", "MAE 310 MW")], "it is one alert, with the newest numbers"


def test_good_figures_resolve_it_and_too_few_do_not(post: Post) -> None:
    post()
    post(as_of=days_ago(2), state="unknown", retrain=False, n=2, message="2 runs")
    assert alerts()[0][0] == "firing"
    post(as_of=days_ago(1), state="ok", retrain=False, mae=140.0, message="All is well.")
    assert alerts() == [("resolved", "All is well.")]


def test_the_replay_of_a_past_time_says_nothing_about_today(post: Post) -> None:
    post(as_of=days_ago(2))
    post(as_of=days_ago(3), state="ok", retrain=False)
    assert alerts()[0][0] == "firing"
    post(as_of=days_ago(1), state="ok", retrain=False)
    post(as_of=days_ago(4))
    assert [state for state, _ in alerts()] == ["resolved"]


@pytest.mark.parametrize(("age", "fired"), [(timedelta(days=7), 1), (timedelta(days=7, seconds=1), 0)])
def test_a_signal_as_of_more_than_a_week_ago_is_kept_and_fires_nothing(
    series: Series, make_user: Callable[..., User], age: timedelta, fired: int
) -> None:
    ensure_default_rules()
    at = datetime(2014, 11, 20, tzinfo=UTC)
    facts = {key: value for key, value in signal().items() if key not in ("series", "as_of")}
    record_signal(series, as_of=at - age, facts=facts, by=make_user("service"), at=at)
    assert (AccuracySignal.objects.count(), len(alerts())) == (1, fired)


def test_the_end_of_a_drift_long_ago_resolves_nothing(series: Series, make_user: Callable[..., User]) -> None:
    ensure_default_rules()
    at, service = datetime(2014, 11, 20, tzinfo=UTC), make_user("service")
    facts = {key: value for key, value in signal().items() if key not in ("series", "as_of")}
    record_signal(series, as_of=at, facts=facts, by=service, at=at)
    later = at + timedelta(days=30)
    record_signal(series, as_of=at + timedelta(days=1), facts={**facts, "state": "ok"}, by=service, at=later)
    assert alerts()[0][0] == "firing"


def test_another_signal_for_the_same_time_is_answered_with_the_one_that_is_there(post: Post) -> None:
    assert post() == post(200, state="ok", retrain=False)
    assert AccuracySignal.objects.count() == 1
    assert len(alerts()) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"series": "atlantis"}, "series"),
        ({"as_of": "2014-11-20T00:00:00"}, "as_of"),
        ({"mae": "nan"}, "mae"),
        ({"mae": -1}, "mae"),
        ({"state": "bad"}, "state"),
        ({"n": -1}, "n"),
    ],
)
def test_a_bad_field_is_named(
    service: APIClient, series: Series, problem: Callable[..., dict[str, Any]], change: dict[str, Any], field: str
) -> None:
    (error,) = problem(service.post(SIGNALS, signal(**change)), 400)["errors"]
    assert error["field"] == field
    assert not AccuracySignal.objects.exists()


def test_a_signal_without_an_enabled_rule_is_kept_and_fires_nothing(service: APIClient, series: Series) -> None:
    service.post(SIGNALS, signal())
    assert AccuracySignal.objects.get().as_of == TODAY - timedelta(days=3)
    assert not Alert.objects.exists()
