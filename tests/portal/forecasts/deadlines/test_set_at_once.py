"""Two operators who give one series a deadline at the same moment: one does, and the other is told."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections, transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from rest_framework.response import Response
from rest_framework.test import APIClient

from portal.forecasts.models import PublicationDeadline
from portal.series.models import Series

pytestmark = pytest.mark.django_db(transaction=True)


def test_who_comes_second_is_told_that_there_is_a_deadline(
    series: Series,
    operator: User,
    client_of: Callable[[User], APIClient],
    problem: Callable[..., dict[str, Any]],
) -> None:
    def post(gate: str) -> Response:
        try:
            facts = {"series": series.slug, "gate_closure": gate}
            return client_of(operator).post("/api/v1/publication-deadlines/", facts)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        with transaction.atomic():
            Series.objects.select_for_update(no_key=True).get(pk=series.pk)
            asked = [pool.submit(post, gate) for gate in ("11:00", "12:00")]
            _wait_for_both()
        answers = sorted((each.result(120) for each in asked), key=lambda answer: answer.status_code)
    assert answers[0].status_code == 201
    assert "series" in str(problem(answers[1], 400)["errors"])
    assert PublicationDeadline.objects.count() == 1


def test_so_is_who_saves_the_form_second(series: Series, operator: User) -> None:
    browsers = [Client(), Client()]
    for browser in browsers:
        browser.force_login(operator)

    def save(browser: Client) -> HttpResponse:
        try:
            facts = {"series": series.pk, "gate_closure": "12:00", "days_ahead": 1, "guard_before": "00:30:00"}
            return browser.post(reverse("admin:forecasts_publicationdeadline_add"), {**facts, "enabled": "on"})
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        with transaction.atomic():
            Series.objects.select_for_update(no_key=True).get(pk=series.pk)
            saved = [pool.submit(save, browser) for browser in browsers]
            _wait_for_both()
        told, done = sorted((each.result(20) for each in saved), key=lambda answer: answer.status_code)
    assert (told.status_code, done.status_code) == (200, 302)
    assert "Publication deadline with this Series already exists." in told.content.decode()
    assert PublicationDeadline.objects.count() == PublicationDeadline.history.count() == 1


def _wait_for_both() -> None:
    for _ in range(1200):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")  # else a transaction sees the sessions of its beginning
            # In this database: the server's other ones have waiters of their own.
            cursor.execute(
                "SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_stat_activity USING (pid)"
                " WHERE NOT granted AND datname = current_database()"
            )
            if cursor.fetchone()[0] == 2:
                return
        time.sleep(0.1)
    raise AssertionError("they do not wait for each other")
