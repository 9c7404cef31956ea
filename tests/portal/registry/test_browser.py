"""An approver puts a model live with mouse and keyboard, in a real browser under the portal's own security policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from portal.registry.models import ModelVersion

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PASSWORD = "as long as a sentence"
EVIDENCE = {
    "metrics": {"n": 960, "mae": 180.0, "pinball": 60.0, "coverage_80": 0.79},
    "baseline": {"n": 960, "mae": 400.0, "pinball": 140.0, "coverage_80": 0.83},
    "by_lead_time": [{"lead_time_from": start, "lead_time_to": start + 6, "mae": 170.0 + start} for start in (0, 6)],
}


@pytest.fixture
def log_in(live_server: Any, people: dict[str, User], open_browser: Callable[[], Chrome]) -> Callable[[str], Chrome]:
    """A browser in which the person has logged in by the form."""

    def browser_of(username: str) -> Chrome:
        people[username].set_password(PASSWORD)
        people[username].save()
        browser = open_browser()
        browser.get(f"{live_server.url}/admin/")
        browser.find_element(By.NAME, "username").send_keys(username)
        browser.find_element(By.NAME, "password").send_keys(PASSWORD)
        browser.find_element(By.CSS_SELECTOR, "form button[type=submit]").click()
        assert browser.find_element(By.PARTIAL_LINK_TEXT, "Model versions")
        return browser

    return browser_of


def _complaints(browser: Chrome) -> list[str]:
    """What the browser's console has to say: blocked by the policy, not found, failed."""
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] in ("WARNING", "SEVERE")]


def test_an_approver_reads_the_evidence_and_puts_the_candidate_live(
    candidate: Callable[..., ModelVersion], log_in: Callable[[str], Chrome]
) -> None:
    model = candidate("key-1", evidence=EVIDENCE)
    browser = log_in("approver")
    browser.find_element(By.PARTIAL_LINK_TEXT, "Model versions").click()
    browser.find_element(By.PARTIAL_LINK_TEXT, "v1").click()
    assert browser.find_element(By.XPATH, "//*[contains(text(), '55% better')]").is_displayed()
    assert browser.find_element(By.CSS_SELECTOR, "svg[role=img]").size["width"] > 400
    browser.find_element(By.PARTIAL_LINK_TEXT, "Approve").click()
    browser.find_element(By.NAME, "reason").send_keys("Half the error of the naive, and its intervals hold.")
    browser.find_element(By.CSS_SELECTOR, ".gc-decide button[type=submit]").click()
    assert browser.find_element(By.XPATH, "//*[contains(text(), 'is the champion now')]").is_displayed()
    model.refresh_from_db()
    assert (model.status, str(model.approved_by)) == ("champion", "approver")
    assert _complaints(browser) == []


def test_who_trained_sees_the_evidence_and_no_button_to_decide(
    candidate: Callable[..., ModelVersion], log_in: Callable[[str], Chrome], live_server: Any
) -> None:
    model = candidate("key-1", evidence=EVIDENCE)
    browser = log_in("forecaster")
    browser.get(f"{live_server.url}/admin/registry/modelversion/{model.pk}/change/")
    assert browser.find_element(By.XPATH, "//*[contains(text(), '55% better')]").is_displayed()
    browser.implicitly_wait(0)
    assert browser.find_elements(By.PARTIAL_LINK_TEXT, "Approve") == []
    assert browser.find_elements(By.PARTIAL_LINK_TEXT, "Reject") == []
