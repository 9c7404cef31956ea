"""The page of a run beside the one before it, the page that adjusts it, and the page that asks the ledger."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from portal.forecasts.models import ForecastRun, ForecastScore
from portal.series.models import Series
from tests.portal.forecasts.ledgers import ISSUED, STEP, put_run

ASK = reverse("admin:forecasts_forecastrun_ask")
Browser = Callable[[str], Client]
ADJUSTMENT = {
    "start": (ISSUED + STEP).isoformat(),
    "end": (ISSUED + 3 * STEP).isoformat(),
    "percentage": "5",
    "values": "",
    "reason": "A public holiday",
}


@pytest.fixture
def browser(make_user: Callable[..., User]) -> Browser:
    def of(role: str) -> Client:
        client = Client()
        client.force_login(make_user(role, f"{role} at a browser"))
        return client

    return of


@pytest.fixture
def run(series: Series) -> ForecastRun:
    return put_run(series, [1000.0, 2000.0, 3000.0, 4000.0])


def text(response: HttpResponse) -> str:
    assert response.status_code == 200
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def page_of(run: ForecastRun, name: str = "change") -> str:
    return reverse(f"admin:forecasts_forecastrun_{name}", args=(run.pk,))


def test_the_page_of_a_run_shows_it_beside_the_run_before_it(browser: Browser, series: Series) -> None:
    before = put_run(series, [900.0, 1900.0, 2500.0], issued=ISSUED - STEP)
    run = put_run(series, [1000.0, 2000.0])
    response = browser("operator").get(page_of(run))
    shown = text(response)
    assert 'class="gc-before"' in response.content.decode()
    assert f'href="{page_of(before)}"' in response.content.decode()
    assert "of 2 intervals changed by 700.0 MW on average, at most by -900.0 MW, for 2014-11-01 13:00 UTC" in shown
    assert f"0.5 of run {before.pk} Change" in shown
    assert "900.0 1,000.0 1,100.0 1,900.0 -900.0" in shown
    assert "Seasonal naive. by hand" in shown, "the rung and its reason come first"


def test_a_run_is_compared_with_whichever_run_of_its_period_is_chosen(
    browser: Browser, series: Series, make_series: Callable[..., Series]
) -> None:
    first = put_run(series, [900.0, 1900.0, 2500.0, 3000.0], issued=ISSUED - 2 * STEP)
    before = put_run(series, [950.0, 1950.0, 2550.0], issued=ISSUED - STEP)
    apart = put_run(series, [1.0], issued=ISSUED - 9 * STEP)
    run = put_run(series, [1000.0, 2000.0])
    after = put_run(series, [2100.0], issued=ISSUED + STEP)
    elsewhere = put_run(make_series("tasmania"), [1.0, 2.0])
    client = browser("operator")
    page = client.get(page_of(run)).content.decode()
    assert [int(pk) for pk in re.findall(r'href="\?against=(\d+)"', page)] == [after.pk, first.pk]
    assert f"({before.pk})</strong>" in page, "what it is compared with is no link"
    shown = text(client.get(page_of(run), {"against": first.pk}))
    assert f"Against run {first.pk}, the median of 2 intervals changed by 1,250.0 MW on average" in shown
    assert "changed by 100.0 MW" in text(client.get(page_of(run), {"against": after.pk}))
    assert "changed by" not in text(client.get(page_of(run), {"against": apart.pk})), "no interval in common"
    for wrong in (elsewhere.pk, 10**17, "x", "", "9" * 40):
        assert client.get(page_of(run), {"against": wrong}).status_code == 404


def test_a_run_without_one_before_it_has_no_comparison(browser: Browser, run: ForecastRun) -> None:
    shown = text(browser("operator").get(page_of(run)))
    assert "of run" not in shown
    assert "changed by" not in shown


def test_original_and_adjustment_lead_to_each_other_and_their_worth_is_shown(
    browser: Browser, run: ForecastRun, make_user: Callable[..., User]
) -> None:
    facts = {"adjustment": {"kind": "percentage", "percentage": 5.0, "start": "a", "end": "b"}}
    override = put_run(run.series, [1000.0, 2100.0, 3150.0, 4000.0], adjusts=run, by=make_user("forecaster"), **facts)
    client = browser("operator")
    original_page, override_page = client.get(page_of(run)), client.get(page_of(override))
    assert f"forecaster has adjusted this forecast in run {override.pk} : by hand" in text(original_page)
    assert f'href="{page_of(override)}"' in original_page.content.decode()
    shown = text(override_page)
    assert "Adjusted by a person, forecaster." in shown
    assert f"It adjusts run {run.pk} , which stays as it was published: 5.0 % on every quantile from a to b" in shown
    assert "once both runs are scored" in shown
    for scored, mae in ((run, 100.0), (override, 80.0)):
        ForecastScore.objects.create(forecast_run=scored, as_of=ISSUED, n=4, mae=mae, actuals_sha256="a")
    shown = text(client.get(page_of(override)))
    assert (
        "Value added by forecaster: 20.0 MW . The mean absolute error is 100.0 as published and 80.0 as adjusted"
        in shown
    )
    assert "Adjusted by a person" in text(client.get(reverse("admin:forecasts_forecastrun_changelist")))


def test_only_a_forecaster_has_the_button_and_only_on_the_run_that_counts(
    browser: Browser, run: ForecastRun, make_user: Callable[..., User]
) -> None:
    forecaster, operator = browser("forecaster"), browser("operator")
    button = f'href="{page_of(run, "adjust")}"'
    assert button in forecaster.get(page_of(run)).content.decode()
    assert button not in operator.get(page_of(run)).content.decode()
    assert operator.get(page_of(run, "adjust")).status_code == 403
    override = put_run(run.series, [1.0] * 4, adjusts=run, by=make_user("forecaster"))
    assert button not in forecaster.get(page_of(run)).content.decode()
    response = forecaster.get(page_of(run, "adjust"), follow=True)
    assert response.redirect_chain == [(page_of(override), 302)], "a stale tab leads to the run to adjust"
    assert f"forecaster has adjusted it, in run {override.pk}" in text(response)


def test_an_adjustment_is_seen_before_it_is_published(browser: Browser, run: ForecastRun) -> None:
    client, url = browser("forecaster"), page_of(run, "adjust")
    assert "Publish the adjustment" not in text(client.get(url))
    response = client.post(url, {**ADJUSTMENT, "preview": ""})
    shown = text(response)
    assert "2 intervals, the median by 125.0 MW on average" in shown
    assert "2014-11-02T00:30:00+11:00 2,000.0 2,100.0 100.0" in shown
    assert {'class="gc-before"', 'class="gc-median"'} <= set(re.findall(r'class="[^"]+"', response.content.decode()))
    assert ForecastRun.objects.count() == 1, "nothing is stored yet"
    response = client.post(url, {**ADJUSTMENT, "confirm": ""}, follow=True)
    made = ForecastRun.objects.get(adjusts=run)
    assert response.redirect_chain == [(page_of(made), 302)]
    assert f"Run {made.pk} is published" in text(response)
    assert (str(made.adjusted_by), made.reason) == ("forecaster at a browser", "A public holiday")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"percentage": ""}, "Give a percentage or values"),
        ({"percentage": "five"}, "“five” is not a number"),
        ({"percentage": "-100"}, "above -100"),
        ({"percentage": "", "values": "1\n2\n3"}, "1 too many, from 2014-11-01T14:30:00Z on"),
        ({"percentage": "", "values": "2000,5"}, "“2000,5” is not a number"),
        ({"end": (ISSUED + STEP).isoformat()}, "The period is empty"),
        ({"start": "2013-01-01T00:00:00+00:00"}, "not one of the available choices"),
        ({"percentage": "0"}, "changes nothing"),
        ({"reason": ""}, "This field is required"),
    ],
)
def test_what_breaks_a_rule_is_said_beside_its_field(
    browser: Browser, run: ForecastRun, changed: dict[str, str], says: str
) -> None:
    client = browser("forecaster")
    for button in ("preview", "confirm"):
        assert says in text(client.post(page_of(run, "adjust"), {**ADJUSTMENT, **changed, button: ""}))
    assert ForecastRun.objects.count() == 1


def test_values_are_given_one_per_line_or_one_for_all(browser: Browser, run: ForecastRun) -> None:
    client, url = browser("forecaster"), page_of(run, "adjust")
    values = {**ADJUSTMENT, "percentage": "", "preview": ""}
    assert "2,000.0 2,500.5 500.5" in text(client.post(url, {**values, "values": "2500.5\n\n 2900 \n"}))
    assert "3,000.0 2,700.0 -300.0" in text(client.post(url, {**values, "values": "2700"}))


def test_the_two_hours_of_one_name_can_be_told_apart(browser: Browser, series: Series) -> None:
    run = put_run(series, [1.0] * 8, issued=ISSUED.replace(month=4, day=5, hour=14))
    shown = text(browser("forecaster").get(page_of(run, "adjust")))
    for label in ("Sun 06 Apr 02:00 (+11:00)", "Sun 06 Apr 02:00 (+10:00)"):
        assert label in shown


def asked(**changed: Any) -> dict[str, Any]:
    query = {"series": "victoria", "first": "2014-11-02", "last": "2014-11-02", **changed}
    return {name: value for name, value in query.items() if value is not None}


def test_the_ledger_is_asked_by_mouse_and_the_answer_says_how_a_program_asks(
    browser: Browser, run: ForecastRun, client_of: Any, make_user: Callable[..., User]
) -> None:
    later = put_run(run.series, [7000.0], issued=ISSUED + 2 * STEP)
    client = browser("operator")
    assert ASK in client.get(reverse("admin:forecasts_forecastrun_changelist")).content.decode()
    assert "Last day" in text(client.get(ASK))
    response = client.get(ASK, asked())
    shown = text(response)
    assert "4 intervals from 2 runs" in shown
    assert f"2014-11-01 14:00 2014-11-02T01:00:00+11:00 {later.pk} 2014-11-01 14:00 Seasonal naive 6,900.0" in shown
    (address,) = re.findall(r"GET (/api/v1/[^<]+)<", response.content.decode())
    rows = client_of(make_user("service")).get(address.replace("&amp;", "&")).json()
    assert {row["run"] for row in rows} == {run.pk, later.pk}
    assert len(rows) == 12


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"as_of": "2014-11-02 00:59"}, "4 intervals from 1 run "),
        ({"as_of": "2014-11-01 13:59Z"}, "4 intervals from 1 run "),
        ({"lead_time_hours": 1}, "2 intervals from 1 run "),
        ({"lead_time_hours": 24}, "No run that was there then covers any of these days"),
        ({"published_by": "2014-12-01"}, "No run that was there then"),
        ({"originals": "on"}, "4 intervals from 2 runs"),
        ({"as_of": "noon"}, "“noon” is not a time"),
        ({"as_of": "0001-01-01"}, "The time is not within"),
        ({"as_of": "2014-11-02", "lead_time_hours": 5}, "one of the two"),
        ({"last": "9999-12-31", "first": "9999-12-31"}, "The day is not within 1900 and 2200"),
        ({"last": "0001-01-01", "first": "0001-01-01"}, "not within 1900 and 2200"),
        ({"last": "2014-11-01"}, "at most 31 days"),
        ({"last": "2014-12-03"}, "at most 31 days"),
        ({"series": "atlantis"}, "not one of the available choices"),
        ({"first": None}, "This field is required"),
    ],
)
def test_the_page_answers_or_says_what_is_wrong(
    browser: Browser, run: ForecastRun, query: dict[str, Any], says: str
) -> None:
    put_run(run.series, [7000.0, 7000.0], issued=ISSUED + 2 * STEP)
    assert says in text(browser("operator").get(ASK, asked(**query)))


def test_the_answer_shows_what_people_added(browser: Browser, run: ForecastRun, make_user: Callable[..., User]) -> None:
    put_run(run.series, [1.0] * 4, adjusts=run, by=make_user("forecaster", "ada"))
    shown = text(browser("operator").get(ASK, asked()))
    assert "Value added by people" in shown
    assert "ada 1 0 0" in shown


def test_a_time_that_no_run_covers_is_a_gap_in_the_chart(browser: Browser, series: Series) -> None:
    for hours in (0, 5):
        put_run(series, [1.0, 2.0], issued=ISSUED + timedelta(hours=hours))
    content = browser("operator").get(ASK, asked()).content.decode()
    assert content.count('class="gc-median"') == content.count('class="gc-band"') == 2


def test_who_may_not_look_at_the_ledger_may_not_ask_it(make_user: Callable[..., User], series: Series) -> None:
    client = Client()
    client.force_login(make_user(None))
    assert client.get(ASK, asked()).status_code == 403
