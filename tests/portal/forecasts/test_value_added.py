"""What people's adjustments were worth: their errors beside those of what they adjusted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from portal.forecasts.models import ForecastRun, ForecastScore
from portal.forecasts.overrides.queries import worth_of
from portal.series.models import Series
from tests.portal.forecasts.ledgers import ISSUED, put_run

DAY = timedelta(days=1)
PERIOD = {"series": "victoria", "start": "2014-11-01T00:00:00Z", "end": "2014-12-01T00:00:00Z"}


def score(run: ForecastRun, mae: float | None, *, n: int = 2, day: int = 5, sha: str = "a") -> None:
    ForecastScore.objects.create(forecast_run=run, as_of=ISSUED + day * DAY, n=n, mae=mae, actuals_sha256=sha)


@pytest.fixture
def pair(series: Series) -> Callable[..., tuple[ForecastRun, ForecastRun]]:
    def make(person: User, day: int = 0) -> tuple[ForecastRun, ForecastRun]:
        original = put_run(series, [1.0, 2.0], issued=ISSUED + day * DAY)
        return original, put_run(series, [1.0, 3.0], issued=ISSUED + day * DAY, adjusts=original, by=person)

    return make


Pair = Callable[..., tuple[ForecastRun, ForecastRun]]


@pytest.fixture
def ask(service: APIClient) -> Callable[[], dict[str, Any]]:
    def get() -> dict[str, Any]:
        response = service.get("/api/v1/overrides/value-added/", PERIOD)
        assert response.status_code == 200, response.content
        return response.json()

    return get


def test_per_person_and_in_all_by_the_number_of_intervals(
    pair: Pair, make_user: Callable[..., User], ask: Callable[[], dict[str, Any]]
) -> None:
    ada, ben = make_user("forecaster", "ada"), make_user("forecaster", "ben")
    for person, day, before, after, n in ((ada, 0, 100.0, 80.0, 2), (ada, 1, 50.0, 60.0, 1), (ben, 2, 30.0, 33.0, 2)):
        original, override = pair(person, day)
        score(original, before, n=n)
        score(override, after, n=n)
    pair(ben, 3)
    pair(ben, 40)
    answer = ask()
    (first, second), total = answer["people"], answer["total"]
    assert first == {
        "person": "ada",
        "overrides": 2,
        "scored": 2,
        "n": 3,
        "mae_original": pytest.approx(250 / 3),
        "mae_adjusted": pytest.approx(220 / 3),
        "value_added": pytest.approx(10.0),
    }
    assert (second["person"], second["overrides"], second["scored"]) == ("ben", 2, 1), "issued in the period"
    assert second["value_added"] == pytest.approx(-3.0), "an adjustment can do harm"
    assert (total["person"], total["overrides"], total["n"]) == (None, 4, 5)
    assert total["value_added"] == pytest.approx((20 * 2 - 10 - 3 * 2) / 5)


def test_without_adjustments_there_is_nothing_to_weigh(series: Series, ask: Callable[[], dict[str, Any]]) -> None:
    answer = ask()
    assert answer["people"] == []
    assert (answer["total"]["overrides"], answer["total"]["n"], answer["total"]["value_added"]) == (0, 0, None)


def test_only_scores_on_the_same_actuals_are_compared_and_the_newest_of_those(
    pair: Pair, make_user: Callable[..., User]
) -> None:
    original, override = pair(make_user("forecaster"))
    score(original, 100.0)
    assert worth_of(override) is None, "not scored yet"
    score(override, 90.0)
    score(override, 70.0, day=6, sha="corrected")
    worth = worth_of(override)
    assert worth is not None
    assert worth.value_added == 10.0, "the original has no score on the corrected actuals yet"
    score(original, 95.0, day=7, sha="corrected")
    worth = worth_of(override)
    assert worth is not None
    assert (worth.n, worth.mae_original, worth.mae_adjusted, worth.value_added) == (2, 95.0, 70.0, 25.0)


def test_scores_that_do_not_name_their_actuals_are_compared_at_one_time_only(
    pair: Pair, make_user: Callable[..., User]
) -> None:
    original, override = pair(make_user("forecaster"))
    score(original, 100.0, sha="")
    score(override, 90.0, sha="", day=6)
    assert worth_of(override) is None
    score(original, None, sha="", day=6)
    assert worth_of(override) is None, "a figure that is undefined weighs nothing"


def test_a_period_is_needed(series: Series, service: APIClient, problem: Callable[..., dict[str, Any]]) -> None:
    for name in ("series", "start", "end"):
        query = {key: value for key, value in PERIOD.items() if key != name}
        assert name in problem(service.get("/api/v1/overrides/value-added/", query), 400)["detail"]
