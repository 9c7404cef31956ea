"""Writers that come at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import httpx
import pyarrow as pa
from django.contrib.auth.models import User

from portal.series.models import Observation, QuarantinedRow, Series, Source, WeatherForecast

WRITERS = 8
Rows = Callable[..., pa.Table]
Encode = Callable[..., tuple[bytes, str]]


def at_once(http: httpx.Client, url: str, bodies: list[tuple[bytes, str]]) -> list[dict[str, object]]:
    """The answers to bodies that are posted by as many threads at the same moment."""
    barrier = Barrier(len(bodies))

    def post(body: tuple[bytes, str]) -> httpx.Response:
        barrier.wait()
        return http.post(url, content=body[0], headers={"Content-Type": body[1]})

    with ThreadPoolExecutor(len(bodies)) as pool:
        answers = list(pool.map(post, bodies))
    assert [answer.status_code for answer in answers] == [200] * len(bodies), [answer.text for answer in answers]
    return [answer.json() for answer in answers]


def test_the_same_rows_from_eight_writers_are_each_stored_once(
    http_of: Callable[[User], httpx.Client],
    make_user: Callable[..., User],
    make_series: Callable[..., Series],
    rows: Rows,
    encode: Encode,
) -> None:
    make_series("victoria")
    body = encode(rows([float(number) for number in range(500)]))
    answers = at_once(http_of(make_user("service")), "/api/v1/observations/bulk/", [body] * WRITERS)
    assert sorted((answer["inserted"], answer["unchanged"]) for answer in answers) == [(0, 500)] * 7 + [(500, 0)]
    assert Observation.objects.count() == 500


def test_series_in_any_order_do_not_make_writers_wait_for_each_other_for_ever(
    http_of: Callable[[User], httpx.Client],
    make_user: Callable[..., User],
    make_series: Callable[..., Series],
    rows: Rows,
    encode: Encode,
) -> None:
    slugs = ["alpha", "beta", "gamma"]
    for slug in slugs:
        make_series(slug)
    start = datetime(2014, 11, 1, tzinfo=UTC)
    times = [start + number * timedelta(minutes=30) for number in range(50) for _ in slugs]
    bodies = []
    for writer in range(WRITERS):
        order = slugs if writer % 2 else slugs[::-1]
        known_at = [time + timedelta(hours=1) for time in times]
        values = [float(number) for number in range(len(times))]
        table = rows(values, series=pa.array(order * 50), valid_time=times, known_at=known_at)
        bodies.append(encode(table.sort_by([("series", "ascending")]) if writer % 2 else table))
    at_once(http_of(make_user("service")), "/api/v1/observations/bulk/?recorded_at=2014-11-05T00:00:00Z", bodies)
    assert Observation.objects.values("series", "valid_time").distinct().count() == 150


def test_the_same_bad_rows_from_eight_writers_are_quarantined_once(
    http_of: Callable[[User], httpx.Client], make_user: Callable[..., User], transactional_db: None
) -> None:
    Source.objects.create(slug="archive", name="Archive", url="archive.csv")
    rows = b",".join(b'{"row":%d,"raw":["x"],"rule":"negative","message":"m"}' % row for row in range(50))
    body = (b'{"source":"archive","file":"a.csv","rows":[' + rows + b"]}", "application/json")
    answers = at_once(http_of(make_user("service")), "/api/v1/quarantine/bulk/", [body] * WRITERS)
    assert sorted((answer["inserted"], answer["unchanged"]) for answer in answers) == [(0, 50)] * 7 + [(50, 0)]
    assert QuarantinedRow.objects.count() == 50


def test_the_same_forecasts_from_eight_writers_are_each_stored_once(
    http_of: Callable[[User], httpx.Client],
    make_user: Callable[..., User],
    make_series: Callable[..., Series],
    rows: Rows,
    encode: Encode,
) -> None:
    make_series("melbourne", quantity="temperature")
    table = rows([float(number) for number in range(500)], slug="melbourne")
    issued = pa.array([datetime(2014, 10, 31, tzinfo=UTC)] * 500, pa.timestamp("us", "UTC"))
    body = encode(table.append_column("issue_time", issued))
    answers = at_once(http_of(make_user("service")), "/api/v1/weather-forecasts/bulk/", [body] * WRITERS)
    assert sorted((answer["inserted"], answer["unchanged"]) for answer in answers) == [(0, 500)] * 7 + [(500, 0)]
    assert WeatherForecast.objects.count() == 500


def test_of_eight_people_at_once_one_resolves_a_row_and_the_others_are_told_who_did_what(
    http_of: Callable[[User], httpx.Client], make_user: Callable[..., User], make_series: Callable[..., Series]
) -> None:
    make_series("victoria")
    source = Source.objects.create(
        slug="archive", name="Archive", url="a.csv", options={"columns": [{"column": "load", "series": "victoria"}]}
    )
    row = QuarantinedRow.objects.create(source=source, file="a.csv", row=7, rule="x", raw="{}", message="m")
    value = {"series": "victoria", "valid_time": "2014-11-01T00:00:00Z", "value": 1.0}
    barrier = Barrier(WRITERS)

    def resolve(number: int) -> httpx.Response:
        verb, facts = ("correct", {"values": [{**value, "value": number}]}) if number % 2 else ("dismiss", {})
        body = {"reason": f"reason {number}", **facts}
        barrier.wait()
        return people[number].post(f"/api/v1/quarantine/{row.pk}/{verb}/", json=body)

    people = [http_of(make_user("data_engineer", f"engineer-{number}")) for number in range(WRITERS)]
    with ThreadPoolExecutor(WRITERS) as pool:
        answers = list(pool.map(resolve, range(WRITERS)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
    winner = next(number for number, answer in enumerate(answers) if answer.status_code == 200)
    row.refresh_from_db()
    assert (str(row.resolved_by), row.reason) == (f"engineer-{winner}", f"reason {winner}")
    for answer in answers:
        if answer.status_code == 409:
            assert f"by engineer-{winner} at" in answer.json()["detail"]
    assert list(Observation.objects.values_list("value", flat=True)) == ([float(winner)] if winner % 2 else [])


def test_rows_that_come_again_while_they_are_resolved_are_neither_doubled_nor_opened(
    http_of: Callable[[User], httpx.Client], make_user: Callable[..., User], transactional_db: None
) -> None:
    source = Source.objects.create(slug="archive", name="Archive", url="archive.csv")
    rows = b",".join(b'{"row":%d,"raw":["x"],"rule":"negative","message":"m"}' % row for row in range(20))
    body = b'{"source":"archive","file":"a.csv","rows":[' + rows + b"]}"
    service, engineer = http_of(make_user("service")), http_of(make_user("data_engineer"))
    headers = {"Content-Type": "application/json"}
    assert service.post("/api/v1/quarantine/bulk/", content=body, headers=headers).status_code == 200
    pks = list(QuarantinedRow.objects.filter(source=source).values_list("pk", flat=True))
    with ThreadPoolExecutor(WRITERS) as pool:
        again = [
            pool.submit(service.post, "/api/v1/quarantine/bulk/", content=body, headers=headers) for _ in range(10)
        ]
        dismissals = [
            pool.submit(engineer.post, f"/api/v1/quarantine/{pk}/dismiss/", json={"reason": "old"}) for pk in pks
        ]
    assert {answer.result().status_code for answer in (*again, *dismissals)} == {200}
    assert list(QuarantinedRow.objects.values_list("status", flat=True)) == ["dismissed"] * 20
