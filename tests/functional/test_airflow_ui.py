"""A person works with Airflow's own pages: runs a DAG by its form, and goes from there to the portal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from stack.airflow_client import FINISHED
from tests.functional.main_job import Report
from tests.functional.waiting import until

pytestmark = [pytest.mark.airflow, pytest.mark.browser, pytest.mark.timeout(1800)]


@pytest.fixture
def forecaster(stack: Report, open_browser: Callable[[], Chrome]) -> Chrome:
    """A browser in which the forecaster has logged in to Airflow."""
    browser = open_browser()
    browser.get(stack.airflow_url)
    browser.find_element(By.NAME, "username").send_keys("forecaster")
    browser.find_element(By.NAME, "password").send_keys(stack.credentials["users"]["forecaster"], Keys.ENTER)
    assert browser.find_element(By.PARTIAL_LINK_TEXT, "Dags").is_displayed()
    return browser


def _runs_by_form(airflow_api: httpx.Client, dag_id: str) -> list[dict[str, Any]]:
    runs = airflow_api.get(f"/api/v2/dags/{dag_id}/dagRuns", params={"limit": 100}).json()["dag_runs"]
    return [run for run in runs if run["triggered_by"] == "ui"]


def test_the_form_runs_what_it_was_given(forecaster: Chrome, stack: Report, airflow_api: httpx.Client) -> None:
    forecaster.get(f"{stack.airflow_url}/dags/score_forecasts")
    forecaster.find_element(By.XPATH, "//button[normalize-space()='Trigger']").click()
    forecaster.find_element(By.ID, "element_series").send_keys("town")
    forecaster.find_element(By.CSS_SELECTOR, "[data-testid=trigger-dag-submit]").click()
    (run,) = until(lambda: [run for run in _runs_by_form(airflow_api, "score_forecasts") if run["state"] in FINISHED])
    assert (run["state"], run["triggering_user_name"]) == ("success", "forecaster")
    assert run["conf"]["series"] == ["town"]


def test_the_navigation_opens_the_portal(forecaster: Chrome, stack: Report) -> None:
    forecaster.find_element(By.CSS_SELECTOR, "[aria-label=Plugins]").click()
    forecaster.find_element(By.CSS_SELECTOR, "a[aria-label='Gridcast portal']").click()
    until(lambda: len(forecaster.window_handles) == 2)
    forecaster.switch_to.window(forecaster.window_handles[-1])
    assert forecaster.find_element(By.NAME, "username").is_displayed()
    assert forecaster.current_url.startswith(f"{stack.portal_url}/admin/")
