"""How candidates come into the registry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from django.contrib.auth.models import User
from django.db import connections

from portal.core.permissions import NotPermitted
from portal.registry.models import ModelVersion
from portal.registry.operations import Training, register_candidate
from portal.series.models import Series
from tests.portal.registry.facts import facts

MakeTraining = Callable[..., Training]


def test_versions_count_from_one_in_each_series(
    people: dict[str, User], training: MakeTraining, make_series: Callable[..., Series]
) -> None:
    victoria, england = make_series("victoria"), make_series("england-wales")
    order = [(victoria, "a"), (victoria, "b"), (england, "a"), (victoria, "c")]
    versions = [
        register_candidate(series, training=training(key), by=people["pipeline"])[0].version for series, key in order
    ]
    assert versions == [1, 2, 1, 3]


def test_the_same_training_key_returns_what_was_registered_first(
    series: Series, people: dict[str, User], training: MakeTraining
) -> None:
    first, new = register_candidate(series, training=training("a", kind="arima"), by=people["pipeline"])
    again, new_again = register_candidate(series, training=training("a", kind="lstm"), by=people["pipeline"])
    assert (new, new_again) == (True, False)
    assert again == first
    assert again.kind == "arima"
    assert ModelVersion.objects.count() == 1


def test_registering_needs_the_permission(series: Series, people: dict[str, User], training: MakeTraining) -> None:
    with pytest.raises(NotPermitted, match=r"registry\.add_modelversion"):
        register_candidate(series, training=training(), by=people["approver"])
    assert not ModelVersion.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_fifty_different_trainings_at_once_over_http_get_the_versions_one_to_fifty(
    series: Series, people: dict[str, User], http_of: Callable[[User], httpx.Client]
) -> None:
    client = http_of(people["pipeline"])

    def register(number: int) -> tuple[int, int]:
        answer = client.post("/api/v1/models/", json=facts(training_key=f"key-{number}"))
        return answer.status_code, answer.json()["version"]

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(register, range(50)))
    assert {status for status, _ in answers} == {201}
    assert sorted(version for _, version in answers) == list(range(1, 51))


@pytest.mark.django_db(transaction=True)
def test_fifty_registrations_of_one_training_at_once_over_http_are_one(
    series: Series, people: dict[str, User], http_of: Callable[[User], httpx.Client]
) -> None:
    client = http_of(people["pipeline"])
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: client.post("/api/v1/models/", json=facts()), range(50)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 49}
    assert {(answer.json()["id"], answer.json()["version"]) for answer in answers} == {
        (ModelVersion.objects.get().pk, 1)
    }


@pytest.mark.django_db(transaction=True)
def test_fifty_registrations_at_once_get_versions_without_holes_or_doubles(
    series: Series, people: dict[str, User], training: MakeTraining
) -> None:
    """Fifty requests for twenty-five trainings: each training is registered once, whoever comes first."""

    def register(number: int) -> tuple[int, bool]:
        try:
            model, new = register_candidate(series, training=training(f"key-{number % 25}"), by=people["pipeline"])
            return model.version, new
        finally:
            connections.close_all()

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(register, range(50)))
    assert sorted({version for version, _ in answers}) == list(range(1, 26))
    assert set(Counter(version for version, _ in answers).values()) == {2}
    assert sum(new for _, new in answers) == 25
