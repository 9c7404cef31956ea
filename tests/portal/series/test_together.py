"""Writers that come at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import httpx
import pyarrow as pa
from django.contrib.auth.models import User

from portal.series.models import Observation, QuarantinedRow, Series, Source

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
