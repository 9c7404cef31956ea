"""An operator sees with the mouse why Airflow did not take a run, and has it asked again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from portal.pipeline.airflow import outbox
from portal.pipeline.models import DagRunRequest
from tests.portal.pipeline.conftest import AT

if TYPE_CHECKING:
    from tests.portal.pipeline.conftest import AirflowStandIn

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PASSWORD = "as long as a sentence"


def test_an_operator_has_a_run_asked_for_again_once_its_dag_is_there(
    live_server: Any,
    operator: User,
    open_browser: Callable[[], Chrome],
    ask: Callable[..., DagRunRequest],
    airflow: AirflowStandIn,
) -> None:
    operator.set_password(PASSWORD)
    operator.save()
    airflow.paused.clear()
    request = ask()
    outbox.sweep(clock=lambda: AT)
    DagRunRequest.objects.update(next_attempt_at=datetime(2100, 1, 1, tzinfo=UTC))

    browser = open_browser()
    browser.get(f"{live_server.url}/admin/")
    browser.find_element(By.NAME, "username").send_keys("olga")
    browser.find_element(By.NAME, "password").send_keys(PASSWORD)
    browser.find_element(By.CSS_SELECTOR, "form button[type=submit]").click()
    browser.find_element(By.PARTIAL_LINK_TEXT, "Runs asked of Airflow").click()
    browser.find_element(By.PARTIAL_LINK_TEXT, "anna approved victoria v3").click()
    assert browser.find_element(By.XPATH, "//*[contains(text(), 'was not found')]").is_displayed()
    browser.find_element(By.PARTIAL_LINK_TEXT, "Try again now").click()
    airflow.paused["publish_forecasts"] = True
    browser.find_element(By.XPATH, "//form//button[contains(., 'Try again now')]").click()
    assert browser.find_element(By.XPATH, "//*[contains(text(), 'is being asked for')]").is_displayed()

    outbox.sweep(clock=lambda: datetime(2099, 1, 1, tzinfo=UTC))
    browser.refresh()
    run = browser.find_element(By.PARTIAL_LINK_TEXT, f"publish_forecasts · {request.run_id}")
    assert run.get_attribute("href") == f"https://airflow.example.org/dags/publish_forecasts/runs/{request.run_id}"
    complaints = [each["message"] for each in browser.get_log("browser") if each["level"] in ("WARNING", "SEVERE")]
    assert complaints == []
