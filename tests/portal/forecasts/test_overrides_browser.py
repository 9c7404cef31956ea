"""A forecaster adjusts a forecast with mouse and keyboard, in a real browser under the portal's own security policy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from portal.forecasts.models import ForecastRun
from portal.series.models import Series
from tests.portal.forecasts.ledgers import put_run

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PASSWORD = "as long as a sentence"


def shape(hours: float, level: float = 4500.0) -> list[float]:
    return [level - 900 * math.cos(math.pi * half_hour / 24) for half_hour in range(round(2 * hours))]


@pytest.fixture
def forecaster_at_a_browser(
    live_server: Any, make_user: Callable[..., User], open_browser: Callable[[], Chrome]
) -> Chrome:
    person = make_user("forecaster")
    person.set_password(PASSWORD)
    person.save()
    browser = open_browser()
    browser.get(f"{live_server.url}/admin/")
    browser.find_element(By.NAME, "username").send_keys("forecaster")
    browser.find_element(By.NAME, "password").send_keys(PASSWORD)
    browser.find_element(By.CSS_SELECTOR, "form button[type=submit]").click()
    browser.find_element(By.PARTIAL_LINK_TEXT, "Forecast ledger").click()
    return browser


def test_a_forecast_is_adjusted_looked_at_published_and_asked_for(
    make_series: Callable[..., Series], forecaster_at_a_browser: Chrome
) -> None:
    browser, run = forecaster_at_a_browser, put_run(make_series("victoria"), shape(24))
    browser.refresh()
    browser.find_element(By.CSS_SELECTOR, "#result_list a[href*='/change/']").click()
    browser.find_element(By.PARTIAL_LINK_TEXT, "Adjust").click()
    Select(browser.find_element(By.NAME, "start")).select_by_visible_text("Sun 02 Nov 08:00 (+11:00)")
    Select(browser.find_element(By.NAME, "end")).select_by_visible_text("Sun 02 Nov 12:00 (+11:00)")
    browser.find_element(By.NAME, "percentage").send_keys("-6")
    browser.find_element(By.NAME, "reason").send_keys("The smelter is out until noon.")
    browser.find_element(By.NAME, "preview").click()
    assert browser.find_element(By.CSS_SELECTOR, "svg .gc-before").is_displayed()
    assert ForecastRun.objects.count() == 1
    browser.find_element(By.NAME, "confirm").click()
    assert browser.find_element(By.XPATH, "//*[contains(text(), 'is published: the forecast')]").is_displayed()
    made = ForecastRun.objects.get(adjusts=run)
    assert (made.adjustment["percentage"], str(made.adjusted_by)) == (-6.0, "forecaster")

    browser.find_element(By.PARTIAL_LINK_TEXT, f"run {run.pk}").click()
    assert browser.find_element(By.XPATH, "//*[contains(text(), 'has adjusted this forecast')]").is_displayed()
    browser.find_element(By.PARTIAL_LINK_TEXT, "Forecast ledger").click()
    browser.find_element(By.PARTIAL_LINK_TEXT, "Ask the ledger").click()
    Select(browser.find_element(By.NAME, "series")).select_by_index(1)
    for name in ("first", "last"):
        browser.find_element(By.NAME, name).send_keys("11022014")
    browser.find_element(By.XPATH, "//button[normalize-space()='Ask']").click()
    assert browser.find_element(By.XPATH, "//*[contains(text(), '48 intervals from 1 run')]").is_displayed()
    complaints = [entry["message"] for entry in browser.get_log("browser") if entry["level"] in ("WARNING", "SEVERE")]
    assert complaints == []
