"""A forecaster adjusts a published forecast: what becomes of the numbers, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import httpx
import numpy as np
import pytest
from django.contrib.auth.models import User
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from portal.core.columns import to_us
from portal.core.permissions import NotPermitted
from portal.forecasts.models import ForecastRun
from portal.forecasts.overrides.adjustments import Adjustment, AdjustmentRefused, applied
from portal.forecasts.overrides.operations import NotTheNewest, override_run
from portal.forecasts.queries import grid_of
from portal.series.models import Series
from tests.portal.forecasts.ledgers import ISSUED, STEP, put_run

AT = datetime(2014, 11, 1, 12, tzinfo=UTC)
PERIOD = {"start": ISSUED + STEP, "end": ISSUED + 3 * STEP}
BODY = {"start": "2014-11-01T13:30:00Z", "end": "2014-11-01T14:30:00Z", "reason": "A public holiday"}
Problem = Callable[..., dict[str, Any]]


@pytest.fixture
def forecaster(make_user: Callable[..., User]) -> User:
    return make_user("forecaster")


@pytest.fixture
def run(series: Series) -> ForecastRun:
    return put_run(series, [1000.0, 2000.0, 3000.0, 4000.0])


@pytest.fixture
def override(forecaster: User) -> Callable[..., ForecastRun]:
    def adjust(run: ForecastRun, **facts: Any) -> ForecastRun:
        return override_run(run, **{"by": forecaster, "at": AT, "reason": "A public holiday", **PERIOD, **facts})

    return adjust


Override = Callable[..., ForecastRun]


def values_of(run: ForecastRun) -> list[list[float]]:
    return grid_of(run)[1].tolist()


def test_a_percentage_scales_every_quantile_in_its_period_and_nothing_else(
    run: ForecastRun, override: Override, forecaster: User
) -> None:
    before = values_of(run)
    made = override(run, percentage=-10.0)
    expected = [before[0], [1710.0, 1800.0, 1890.0], [2610.0, 2700.0, 2790.0], before[3]]
    assert values_of(made) == [pytest.approx(row) for row in expected]
    assert [values_of(made)[row] for row in (0, 3)] == [before[0], before[3]], "identical outside the period"
    assert values_of(run) == before, "the original stays"
    assert (made.rung, made.publisher, made.adjusts_id, made.adjusted_by) == ("override", "person", run.pk, forecaster)
    assert made.adjustment == {
        "kind": "percentage",
        "start": "2014-11-01T13:30:00Z",
        "end": "2014-11-01T14:30:00Z",
        "percentage": -10.0,
    }
    kept = ("series_id", "issue_time", "model_id", "data_cutoff", "quantiles", "valid_from", "valid_until")
    assert all(getattr(made, name) == getattr(run, name) for name in kept)
    assert made.reason == "A public holiday"


def test_values_replace_the_median_and_the_other_quantiles_move_along(run: ForecastRun, override: Override) -> None:
    before = values_of(run)
    made = override(run, values=[2500.0, 2900.0])
    assert values_of(made) == [before[0], [2400.0, 2500.0, 2600.0], [2800.0, 2900.0, 3000.0], before[3]]
    assert made.adjustment["values"] == [2500.0, 2900.0]


def test_one_value_is_for_every_interval(run: ForecastRun, override: Override) -> None:
    assert [row[1] for row in values_of(override(run, values=[2222.0]))] == [1000.0, 2222.0, 2222.0, 4000.0]


def test_a_negative_load_is_scaled_away_from_zero(make_series: Callable[..., Series], override: Override) -> None:
    run = put_run(make_series("exporting", allows_export=True), [-1000.0, -2000.0, 50.0])
    made = override(run, percentage=50.0)
    assert values_of(made)[1] == [-3150.0, -3000.0, -2850.0]
    assert [row[1] for row in values_of(override(made, values=[-10.0]))] == [-1000.0, -10.0, -10.0]


finite = st.floats(-1e6, 1e6)


def is_no_change(change: float | list[float], rows: list[list[float]]) -> bool:
    if isinstance(change, list):
        return all(row[1] == change[0] for row in rows)
    return all(value * (1.0 + change / 100.0) == value for row in rows for value in row)


@given(
    rows=st.lists(st.lists(finite, min_size=3, max_size=3).map(sorted), min_size=1, max_size=6),
    change=st.floats(-100, 1000, exclude_min=True) | st.lists(finite, min_size=1, max_size=1),
)
def test_no_adjustment_makes_quantiles_cross(rows: list[list[float]], change: float | list[float]) -> None:
    given = {"values": tuple(change)} if isinstance(change, list) else {"percentage": change}
    times = np.array([to_us(ISSUED + number * STEP) for number in range(len(rows))])
    adjustment = Adjustment(start=ISSUED, end=ISSUED + len(rows) * STEP, **given)
    quantiles = (0.1, 0.5, 0.9)
    if is_no_change(change, rows):
        return
    made = applied(
        adjustment, valid_us=times, quantiles=quantiles, values=np.array(rows), step=STEP, allows_export=True
    )
    assert (np.diff(made, axis=1) >= 0).all()
    if isinstance(change, list):
        assert (made[:, 1] == change[0]).all()


@pytest.mark.parametrize(
    ("facts", "field", "rule", "says"),
    [
        ({"end": ISSUED + STEP}, "end", "empty_period", "empty"),
        ({"start": ISSUED + timedelta(minutes=10)}, "start", "off_grid", "30-minute grid"),
        ({"start": ISSUED - STEP}, "start", "outside_run", "2014-11-01T13:00:00Z to 2014-11-01T15:00:00Z"),
        ({"end": ISSUED + 5 * STEP}, "end", "outside_run", "2014-11-01T15:00:00Z"),
        ({"percentage": 0.0}, "period", "no_change", "nothing"),
        ({"percentage": None, "values": [2000.0, 3000.0]}, "period", "no_change", "nothing"),
        ({"percentage": -100.0}, "percentage", "out_of_range", "above -100"),
        ({"percentage": 1000.1}, "percentage", "out_of_range", "at most 1000"),
        ({"percentage": float("nan")}, "percentage", "out_of_range", "above -100"),
        ({"percentage": None}, "percentage", "either_or", "one of the two"),
        ({"values": [1.0, 2.0]}, "percentage", "either_or", "one of the two"),
        ({"percentage": None, "values": []}, "values", "too_few", "2014-11-01T13:30:00Z, 2014-11-01T14:00:00Z"),
        ({"percentage": None, "values": [1.0] * 3}, "values", "too_many", "1 too many, from 2014-11-01T14:30:00Z on"),
        ({"percentage": None, "values": [1.0, float("inf")]}, "values", "not_finite", "2014-11-01T14:00:00Z, inf"),
        ({"percentage": None, "values": [-1.0, 2.0]}, "values", "negative", "2014-11-01T13:30:00Z, -1"),
        ({"reason": "  "}, "reason", "reason", "needs a reason"),
        ({"reason": "x" * 2001}, "reason", "reason", "at most 2000"),
    ],
)
def test_an_adjustment_that_breaks_a_rule_is_refused_by_its_name(
    run: ForecastRun, override: Override, facts: dict[str, Any], field: str, rule: str, says: str
) -> None:
    with pytest.raises(AdjustmentRefused, match=says) as refused:
        override(run, **{"percentage": 5.0, **facts})
    assert (refused.value.field, refused.value.rule) == (field, rule)
    assert ForecastRun.objects.count() == 1


def test_too_few_values_name_the_times_that_have_none(series: Series, override: Override) -> None:
    run = put_run(series, [float(n) for n in range(10)])
    with pytest.raises(AdjustmentRefused, match=r"T14:00:00Z, .*T16:00:00Z and 3 more") as refused:
        override(run, start=ISSUED, end=ISSUED + 10 * STEP, values=[1.0, 2.0])
    assert refused.value.rule == "too_few"


def test_a_run_without_a_median_takes_a_percentage_only(run: ForecastRun, override: Override) -> None:
    values = np.array([[1.0, 2.0]])
    facts = {"valid_us": np.array([to_us(ISSUED)]), "quantiles": (0.1, 0.9), "step": STEP, "allows_export": False}
    period = {"start": ISSUED, "end": ISSUED + STEP}
    assert applied(Adjustment(**period, percentage=100.0), values=values, **facts).tolist() == [[2.0, 4.0]]
    with pytest.raises(AdjustmentRefused, match="no median"):
        applied(Adjustment(**period, values=(5.0,)), values=values, **facts)


def test_what_has_begun_since_the_publication_stays_as_it_is(series: Series, override: Override) -> None:
    live = put_run(series, [1000.0, 2000.0, 3000.0, 4000.0], published_at=ISSUED)
    with pytest.raises(AdjustmentRefused, match="begin at 2014-11-01T14:00:00Z"):
        override(live, percentage=5.0, at=ISSUED + STEP + timedelta(minutes=1))
    made = override(live, percentage=5.0, at=ISSUED + STEP)
    assert values_of(made)[1][1] == 2100.0, "an interval that begins now has not begun before"


def test_in_a_replayed_archive_all_can_be_adjusted(run: ForecastRun, override: Override) -> None:
    assert run.published_at > ISSUED + timedelta(days=365)
    assert override(run, percentage=5.0, at=run.published_at + timedelta(minutes=1)).rung == "override"


def test_only_whoever_has_the_permission_adjusts(
    run: ForecastRun, override: Override, make_user: Callable[..., User]
) -> None:
    for role in ("operator", "approver", "data_engineer", "service"):
        with pytest.raises(NotPermitted):
            override(run, percentage=5.0, by=make_user(role))


def test_an_adjusted_run_is_adjusted_further_through_its_adjustment(run: ForecastRun, override: Override) -> None:
    first = override(run, percentage=10.0)
    with pytest.raises(NotTheNewest, match=f"forecaster has adjusted it, in run {first.pk}; adjust that one"):
        override(run, percentage=20.0)
    second = override(first, percentage=10.0)
    assert second.adjusts_id == first.pk
    assert values_of(second)[1][1] == pytest.approx(2420.0)


def test_a_run_that_another_of_its_issue_time_replaced_is_not_adjusted(
    series: Series, run: ForecastRun, override: Override
) -> None:
    again = put_run(series, [1.0] * 4)
    with pytest.raises(NotTheNewest, match=f"run {again.pk} was published since") as refused:
        override(run, percentage=10.0)
    assert refused.value.newest == again


def test_of_two_forecasters_at_once_one_wins_and_the_other_is_told(
    transactional_db: None,
    make_series: Callable[..., Series],
    make_user: Callable[..., User],
    http_of: Callable[[User], httpx.Client],
) -> None:
    run = put_run(make_series("victoria"), [1000.0, 2000.0, 3000.0, 4000.0])
    people = [http_of(make_user("forecaster", f"forecaster-{number}")) for number in range(4)]
    barrier = Barrier(len(people))

    def adjust(number: int) -> httpx.Response:
        barrier.wait()
        return people[number].post(f"/api/v1/forecast-runs/{run.pk}/override/", json={**BODY, "percentage": 1 + number})

    with ThreadPoolExecutor(len(people)) as pool:
        answers = list(pool.map(adjust, range(len(people))))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    made = ForecastRun.objects.get(adjusts=run)
    for answer in answers:
        if answer.status_code == 409:
            assert f"{made.adjusted_by} has adjusted it, in run {made.pk}" in answer.json()["detail"]


def test_over_the_api_an_adjustment_is_made_once(
    run: ForecastRun, forecaster: User, client_of: Callable[[User], APIClient], problem: Problem
) -> None:
    client, url = client_of(forecaster), f"/api/v1/forecast-runs/{run.pk}/override/"
    key = {"Idempotency-Key": "once"}
    body = {**BODY, "values": [2500.0, 2900.0]}
    first, again = (client.post(url, body, format="json", headers=key) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert (first.json()["adjusts"], first.json()["adjusted_by"], first.json()["rung"]) == (
        run.pk,
        "forecaster",
        "override",
    )
    document = problem(client.post(url, body, format="json"), 409)
    assert document["errors"][0]["value"] == first.json()["id"]
    assert ForecastRun.objects.count() == 2


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({}, "percentage"),
        ({"percentage": "a lot"}, "percentage"),
        ({"percentage": 5, "start": "2014-11-01T13:30:00"}, "start"),
        ({"percentage": 5, "end": None}, "end"),
        ({"percentage": 5, "reason": ""}, "reason"),
        ({"percentage": 2000}, "percentage"),
        ({"values": [1, 2, 3]}, "values"),
        ({"values": "1,2"}, "values"),
        ({"values": []}, "values"),
    ],
)
def test_a_body_that_is_wrong_is_a_400_that_names_the_field(
    run: ForecastRun,
    forecaster: User,
    client_of: Callable[[User], APIClient],
    problem: Problem,
    changed: dict[str, Any],
    field: str,
) -> None:
    url = f"/api/v1/forecast-runs/{run.pk}/override/"
    document = problem(client_of(forecaster).post(url, {**BODY, **changed}, format="json"), 400)
    assert document["errors"][0]["field"].split(".")[0] == field
    assert ForecastRun.objects.count() == 1


def test_a_run_that_is_not_there_cannot_be_adjusted(
    forecaster: User, client_of: Callable[[User], APIClient], problem: Problem
) -> None:
    problem(client_of(forecaster).post("/api/v1/forecast-runs/4711/override/", BODY, format="json"), 404)


def test_the_pipeline_publishes_no_adjustments(
    series: Series,
    forecast: Callable[..., Any],
    send: Callable[..., Any],
    service: APIClient,
    problem: Problem,
) -> None:
    table = forecast(rung="override", reason="in nobody's name")
    document = problem(send(service, "/api/v1/forecasts/bulk/", table), 400)
    assert {error["rule"] for error in document["errors"]} == {"unknown_rung"}
