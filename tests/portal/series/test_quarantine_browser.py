"""A data engineer works through the quarantine in a real browser, by mouse and by keyboard alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from portal.series.models import Observation, QuarantinedRow, Series, Source

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PASSWORD = "as long as a sentence"
NEGATIVE = {"series": "victoria", "valid_time": "2014-11-01T00:00:00Z", "value": -4100.5}


@pytest.fixture
def rows(make_series: Callable[..., Series]) -> list[QuarantinedRow]:
    make_series("victoria", name="Demand of Victoria")
    make_series("melbourne", quantity="temperature", unit="°C", name="Temperature in Melbourne")
    columns = [{"column": "load", "series": "victoria"}, {"column": "temp", "series": "melbourne"}]
    source = Source.objects.create(slug="archive", name="Archive", url="a.csv", options={"columns": columns})
    return [
        QuarantinedRow.objects.create(
            source=source,
            file="victoria_2014.csv",
            row=number,
            rule="negative_load",
            raw='{"time":"2014-11-01 11:00","load":"-4100.5","temp":"18.5"}',
            message="victoria: The load is negative, and the series does not allow export.",
            values=[NEGATIVE],
            fingerprint=str(number),
        )
        for number in (7, 8, 9)
    ]


@pytest.fixture
def browser(live_server: Any, make_user: Callable[..., User], open_browser: Callable[[], Chrome]) -> Chrome:
    """A browser in which an engineer has logged in by the form."""
    anna = make_user("data_engineer", "anna")
    anna.set_password(PASSWORD)
    anna.save()
    browser = open_browser()
    browser.get(f"{live_server.url}/admin/")
    browser.find_element(By.NAME, "username").send_keys("anna")
    browser.find_element(By.NAME, "password").send_keys(PASSWORD, Keys.ENTER)
    assert browser.find_element(By.PARTIAL_LINK_TEXT, "Quarantine")
    return browser


def says(browser: Chrome, text: str) -> bool:
    return browser.find_element(By.XPATH, f"//*[contains(text(), '{text}')]").is_displayed()


def complaints(browser: Chrome) -> list[str]:
    """What the browser's console has to say: blocked by the policy, not found, failed."""
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] in ("WARNING", "SEVERE")]


def test_a_row_is_corrected_after_a_slip_that_is_told_beside_its_field(
    rows: list[QuarantinedRow], browser: Chrome
) -> None:
    browser.find_element(By.PARTIAL_LINK_TEXT, "rows in quarantine").click()
    browser.find_element(By.PARTIAL_LINK_TEXT, "victoria_2014.csv").click()
    browser.find_element(By.PARTIAL_LINK_TEXT, "Correct").click()
    value = browser.find_element(By.NAME, "victoria.0-value")
    assert value.get_attribute("value") == "-4100.5"
    time = browser.find_element(By.NAME, "victoria.0-valid_time")
    assert time.get_attribute("value") == "2014-11-01 11:00+11:00"
    browser.find_element(By.NAME, "reason").send_keys("The sign was lost: the meter's own page says 4100.5.")
    browser.find_element(By.CSS_SELECTOR, ".gc-decide button[type=submit]").click()
    assert says(browser, "does not allow export. (rule negative_load)")
    value = browser.find_element(By.NAME, "victoria.0-value")
    value.clear()
    value.send_keys("4100.5")
    browser.find_element(By.CSS_SELECTOR, ".gc-decide button[type=submit]").click()
    assert says(browser, "is corrected.")
    assert Observation.objects.get().value == 4100.5
    assert complaints(browser) == []


def test_a_row_is_dismissed_by_keyboard_alone(rows: list[QuarantinedRow], browser: Chrome, live_server: Any) -> None:
    browser.get(f"{live_server.url}/admin/series/quarantinedrow/{rows[0].pk}/change/")
    keys = ActionChains(browser)
    for _ in range(80):
        keys.send_keys(Keys.TAB).perform()
        if "Dismiss" in browser.switch_to.active_element.text:
            break
    keys.send_keys(Keys.ENTER).perform()
    reason = browser.find_element(By.NAME, "reason")
    WebDriverWait(browser, 60).until(lambda _: browser.switch_to.active_element == reason, "typing can begin at once")
    keys.send_keys("A test of the meter.").send_keys(Keys.TAB).send_keys(Keys.ENTER).perform()
    assert says(browser, "is dismissed.")
    rows[0].refresh_from_db()
    assert (rows[0].status, rows[0].reason) == ("dismissed", "A test of the meter.")
    assert complaints(browser) == []


def test_several_rows_are_replayed_once_export_is_allowed(
    rows: list[QuarantinedRow], browser: Chrome, live_server: Any
) -> None:
    Series.objects.filter(slug="victoria").update(allows_export=True)
    browser.get(f"{live_server.url}/admin/series/quarantinedrow/")
    for box in browser.find_elements(By.CSS_SELECTOR, "input.action-select"):
        box.click()
    Select(browser.find_element(By.NAME, "action")).select_by_visible_text("Replay the selected rows …")
    browser.find_element(By.XPATH, "//button[@name='index']").click()
    assert says(browser, "For each of these rows")
    browser.find_element(By.CSS_SELECTOR, ".gc-decide button[type=submit]").click()
    assert says(browser, "3 of 3 rows are accepted as it came.")
    assert set(QuarantinedRow.objects.values_list("status", flat=True)) == {"replayed"}
    assert complaints(browser) == []
