"""An operator looks at a dry run and deletes by mouse, in a real browser under the portal's own security policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from portal.forecasts.models import ForecastRun
from portal.series.models import Series

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PASSWORD = "as long as a sentence"


def test_an_operator_sees_the_counts_before_anything_is_deleted(
    live_server: Any,
    open_browser: Callable[[], Chrome],
    people: dict[str, User],
    make_series: Callable[..., Series],
    publish_run: Callable[..., ForecastRun],
    keep: Callable[..., None],
) -> None:
    series = make_series("victoria")
    for days in (1200, 1150, 1100, 3, 2, 1):
        publish_run(series, days)
    keep(forecast_runs=1095, mails=365, dag_run_requests=365, stale_ingests=2, orphaned_artifacts=2)
    people["operator"].set_password(PASSWORD)
    people["operator"].save()
    browser = open_browser()
    browser.get(f"{live_server.url}/admin/")
    browser.find_element(By.NAME, "username").send_keys("operator")
    browser.find_element(By.NAME, "password").send_keys(PASSWORD)
    browser.find_element(By.CSS_SELECTOR, "form button[type=submit]").click()
    browser.find_element(By.PARTIAL_LINK_TEXT, "Retention rules").click()
    browser.find_element(By.PARTIAL_LINK_TEXT, "Dry run now").click()
    browser.find_element(By.CSS_SELECTOR, ".gc-decide button[type=submit]").click()
    assert browser.find_element(By.XPATH, "//*[contains(text(), 'What would be deleted')]").is_displayed()
    assert ForecastRun.objects.count() == 6
    browser.find_element(By.PARTIAL_LINK_TEXT, "Delete this now").click()
    assert browser.find_element(By.XPATH, "//*[contains(text(), 'cannot be brought back')]").is_displayed()
    browser.find_element(By.CSS_SELECTOR, ".gc-decide button[type=submit]").click()
    assert browser.find_element(By.XPATH, "//*[contains(text(), 'Everything that was due here')]").is_displayed()
    assert ForecastRun.objects.count() == 3
    complaints = [entry for entry in browser.get_log("browser") if entry["level"] in ("WARNING", "SEVERE")]
    assert complaints == []
