"""What a source of each kind is told: which options there are, which series they feed, and that no secret is kept."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from portal.series.models import Series, Source
from portal.series.source_kinds import KINDS, check_source
from portal.series.source_kinds.reference import reference

pytestmark = pytest.mark.django_db
MakeSeries = Callable[..., Series]
HOUR = timedelta(hours=1)
FILE = {"time_column": "t", "columns": [{"column": "mw", "series": "town"}]}
EIA = {"resample": "repeat", "columns": [{"respondent": "ERCO", "type": "D", "series": "town"}]}
SQL = {"query": "SELECT t, mw FROM m WHERE t >= %(start)s AND t < %(end)s", **FILE}
WEATHER = {
    "dataset": "forecast",
    "resample": "repeat",
    "columns": [{"latitude": 52.5, "longitude": 13.4, "variable": "temperature_2m", "series": "air"}],
}
ZONE = {"columns": [{"series": "town", "feeders": [{"series": "north"}, {"series": "south", "weight": 2}]}]}
GOOD: dict[str, dict[str, Any]] = {
    "file": {"url": "a.csv", "options": FILE},
    "eia930": {"connection": "eia", "options": EIA},
    "entsoe": {"connection": "entsoe", "options": {"columns": [{"area": "DE_LU", "type": "load", "series": "town"}]}},
    "open_meteo": {"feeds": "weather", "options": WEATHER},
    "sql": {"connection": "meters", "options": SQL},
    "aggregate": {"options": ZONE},
}


@pytest.fixture(autouse=True)
def _series(make_series: MakeSeries) -> None:
    for slug in ("town", "north", "south"):
        make_series(slug)
    make_series("town-forecast", quantity="load_forecast")
    make_series("air", quantity="temperature", unit="°C")
    make_series("wind", quantity="weather", unit="m/s")


def faults(kind: str, **facts: Any) -> dict[str, list[str]]:
    """What is said about a source of a kind, good but for `facts`; nothing where it is good."""
    base = {"feeds": "demand", "url": "", "connection": "", **copy.deepcopy(GOOD[kind])}
    try:
        check_source(kind=kind, **{**base, **facts})
    except ValidationError as error:
        return dict(error.message_dict)
    return {}


def options(kind: str, path: str, value: object) -> dict[str, Any]:
    """The good options of a kind with something else at a path such as ``columns.0.scale``."""
    changed = copy.deepcopy(GOOD[kind]["options"])
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: Any = changed
    for part in parents:
        place = place[part]
    place[last] = value
    return changed


@pytest.mark.parametrize("kind", KINDS)
def test_a_source_with_what_its_kind_needs_is_good(kind: str) -> None:
    assert faults(kind) == {}


def test_a_source_of_earlier_forecasts_says_how_many_days_before() -> None:
    assert faults("open_meteo", options={**WEATHER, "dataset": "previous_runs", "previous_days": [1, 7]}) == {}


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_that_is_shown_of_a_kind_is_good_itself(kind: str, make_series: MakeSeries) -> None:
    example = dict(KINDS[kind].example)
    for column in example["options"]["columns"]:
        named = [column["series"], *(feeder["series"] for feeder in column.get("feeders", ()))]
        quantity = min(KINDS[kind].quantities(column, example["feeds"]) - {"weather"})
        length = HOUR / 2 if example["options"].get("resample") == "repeat" else HOUR
        for slug in named:
            Series.objects.filter(slug=slug).delete()
            make_series(slug, quantity=quantity, resolution=length)
    check_source(kind=kind, **example)


@pytest.mark.parametrize("kind", KINDS)
def test_every_option_says_what_it_means(kind: str) -> None:
    described = reference(kind)
    assert all(option.meaning for option in described.options)
    assert {"columns", "columns[].series"} <= {option.key for option in described.options if option.required}


@pytest.mark.parametrize(
    ("kind", "path", "value", "said"),
    [
        ("file", "time_column", 5, "time_column = 5: must be a text."),
        ("file", "time_column", " ", 'time_column = " ": must not be empty.'),
        ("file", "time_zone", "Mars", 'time_zone = "Mars": must be an IANA timezone such as “Europe/Berlin”.'),
        ("file", "labels", "middle", 'labels = "middle": must be “start” or “end”.'),
        ("file", "format", "xlsx", 'format = "xlsx": must be “csv” or “parquet”.'),
        ("file", "delimiter", " ", 'delimiter = " ": must be “,”, “;”, “\\t” or “|”.'),
        ("file", "decimal", "'", 'decimal = "\'": must be “.” or “,”.'),
        ("file", "missing", "-999", 'missing = "-999": must be a list of texts.'),
        ("file", "missing", ["", 999], "missing[1] = 999: must be a text."),
        ("file", "ambiguous", "guess", 'ambiguous = "guess": must be “reject”, “earlier”, “later” or “in_order”.'),
        ("file", "nonexistent", "drop", 'nonexistent = "drop": must be “reject” or “shift_forward”.'),
        ("file", "issue_time_column", "at", 'issue_time_column = "at": is for sources that feed weather.'),
        ("file", "tme_column", "t", "There is no option tme_column; did you mean time_column?"),
        ("file", "columns", {}, "columns = {}: must be a list of objects, [{…}]."),
        ("file", "columns", [], "columns = []: must be a list of at least one object, [{…}]."),
        ("file", "columns.0", "mw", 'columns[0] = "mw": must be an object, {…}.'),
        ("file", "columns.0", {"series": "town"}, "columns[0].column is missing: its name in the header."),
        ("file", "columns.0.scale", "1000", 'columns[0].scale = "1000": must be a number other than 0.'),
        ("file", "columns.0.scale", 0, "columns[0].scale = 0: must be a number other than 0."),
        ("file", "columns.0.scale", True, "columns[0].scale = true: must be a number other than 0."),
        ("file", "columns.0.minimum", float("nan"), "columns[0].minimum = NaN: must be a number."),
        ("file", "columns.0.maximum", float("inf"), "columns[0].maximum = Infinity: must be a number."),
        ("file", "columns.0.unit", "MW", "There is no option columns[0].unit; there are series, scale, minimum, "),
        ("file", "resolution", "PT7M", 'resolution = "PT7M": must be a whole number of minutes that divides a day.'),
        ("file", "resolution", "5 min", 'resolution = "5 min": must be a duration of days, hours and minutes such as '),
        (
            "file",
            "resample",
            "mean",
            'resample = "mean": needs resolution, the length of the source\'s own intervals, ',
        ),
        ("file", "future_tolerance", -1, "future_tolerance = -1: must be a duration of days, hours and minutes"),
        (
            "eia930",
            "columns.0.respondent",
            "ercot!",
            'columns[0].respondent = "ercot!": must be the code of a balancing ',
        ),
        ("eia930", "columns.0.type", "X", 'columns[0].type = "X": must be “D”, “DF”, “NG” or “TI”.'),
        ("entsoe", "columns.0.area", "de", 'columns[0].area = "de": must be the code of a bidding zone or country, '),
        ("entsoe", "columns.0.type", "price", 'columns[0].type = "price": must be “load” or “load_forecast”.'),
        ("open_meteo", "dataset", "now", 'dataset = "now": must be “forecast”, “previous_runs” or “archive”.'),
        ("open_meteo", "previous_days", [1], "previous_days = [1]: is for the dataset “previous_runs”."),
        ("open_meteo", "previous_days", [], "previous_days = []: must be a list of whole numbers from 1 to 7, such "),
        ("open_meteo", "previous_days", [8], "previous_days = [8]: must be a list of whole numbers from 1 to 7, such "),
        ("open_meteo", "previous_days", "1", 'previous_days = "1": must be a list of whole numbers from 1 to 7, such '),
        ("open_meteo", "columns.0.latitude", 91, "columns[0].latitude = 91: must be a number from -90 to 90."),
        ("open_meteo", "columns.0.longitude", "13", 'columns[0].longitude = "13": must be a number from -180 to 180.'),
        ("open_meteo", "columns.0.variable", "Temp", 'columns[0].variable = "Temp": must be the name of an hourly '),
        ("sql", "query", "SELECT 1", 'query = "SELECT 1": must bound the times by %(start)s and %(end)s.'),
        (
            "sql",
            "query",
            "%(start)s %(end)s LIKE 'a%'",
            "must have no other % than %(start)s and %(end)s; write %% for",
        ),
        ("aggregate", "missing", "zero", 'missing = "zero": must be “withhold” or “scale_up”.'),
        ("aggregate", "columns.0.feeders", [], "columns[0].feeders = []: must be a list of at least one object"),
        (
            "aggregate",
            "columns.0.feeders.0.weight",
            0,
            "columns[0].feeders[0].weight = 0: must be a number other than 0.",
        ),
        ("aggregate", "columns.0.feeders.1.series", "north", "comes twice among the feeders of the zone."),
        ("aggregate", "columns.0.feeders.1.series", "town", "is the zone itself; a zone is no feeder of its own."),
        ("aggregate", "columns.0.scale", 2, "There is no option columns[0].scale; there are series, feeders."),
    ],
)
def test_what_is_wrong_is_said_with_the_key_the_value_and_the_rule(
    kind: str, path: str, value: object, said: str
) -> None:
    found = faults(kind, options=options(kind, path, value))
    assert set(found) == {"options"}
    assert any(said in message for message in found["options"]), found["options"]


@pytest.mark.parametrize("wrong", [[], "text", 5, None, True])
def test_options_that_are_no_object_are_refused(wrong: object) -> None:
    (message,) = faults("file", options=wrong)["options"]
    assert message.endswith("must be an object, {…}.")


def test_all_that_is_wrong_is_said_at_once() -> None:
    found = faults("file", url="", options={"time_zone": "Mars", "columns": [{"column": "mw"}]})
    assert len(found["url"]) == 1
    assert len(found["options"]) == 3


def test_rules_that_take_two_options_name_the_one_to_change() -> None:
    both_commas = {**FILE, "decimal": ",", "delimiter": ","}
    assert "delimiter" in faults("file", options=both_commas)["options"][0]
    parquet = {**FILE, "format": "parquet", "decimal": ","}
    assert faults("file", options=parquet)["options"] == ['decimal = ",": is for CSV; a Parquet file has none.']
    bounds = options("file", "columns.0", {"column": "mw", "series": "town", "minimum": 2, "maximum": 1})
    assert "must not be greater than the maximum" in faults("file", options=bounds)["options"][0]
    shares = options("aggregate", "columns.0.feeders.0.weight", -1)
    assert faults("aggregate", options=shares) == {}
    assert "must be positive" in faults("aggregate", options={**shares, "missing": "scale_up"})["options"][0]


def test_a_source_feeds_a_series_once() -> None:
    twice = options("file", "columns", [{"column": "a", "series": "town"}, {"column": "b", "series": "town"}])
    assert "is fed by columns[0] already" in faults("file", options=twice)["options"][0]


@pytest.mark.parametrize(
    ("kind", "facts", "field", "said"),
    [
        ("file", {"url": ""}, "url", "needs a url"),
        ("file", {"url": "../a.csv"}, "url", "leaves the data folder"),
        ("file", {"url": "/etc/passwd"}, "url", "leaves the data folder"),
        ("sql", {"connection": ""}, "connection", "needs the id of an Airflow connection, of type Postgres"),
        ("eia930", {"connection": ""}, "connection", "its password is the API key"),
        ("eia930", {"url": "https://api.example"}, "url", "takes no url; the host of the Airflow connection"),
        ("aggregate", {"connection": "x"}, "connection", "takes no connection"),
        ("eia930", {"feeds": "weather"}, "feeds", "feeds “demand”, not “weather”"),
        ("open_meteo", {"feeds": "demand"}, "feeds", "feeds “weather”, not “demand”"),
    ],
)
def test_what_a_kind_needs_and_refuses_depends_on_it(kind: str, facts: dict[str, Any], field: str, said: str) -> None:
    assert said in faults(kind, **facts)[field][0]


def test_a_kind_that_there_is_not_is_refused_by_name() -> None:
    with pytest.raises(ValidationError, match="There is no kind 'ftp'"):
        check_source(kind="ftp", feeds="demand", url="", connection="", options={})


@pytest.mark.parametrize(
    "url",
    [
        "s3://key:hunter2@bucket/a.csv",
        "https://hunter2@files.example/a.csv",
        "https://files.example/a.csv?api_key=hunter2",
        "https://files.example/a.csv?x=1&sig=hunter2",
        "https://files.example/a.csv?X-Amz-Signature=hunter2",
    ],
)
def test_a_url_with_a_secret_is_refused_without_repeating_it(url: str) -> None:
    (message,) = faults("file", url=url)["url"]
    assert "Airflow connection" in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    "url", ["s3://bucket/a@b.csv", "sftp://reader@host/a.csv", "https://files.example/a.csv?page=1"]
)
def test_a_url_without_a_secret_is_taken(url: str) -> None:
    assert faults("file", url=url) == {}


@pytest.mark.parametrize(
    "key", ["api_key", "apikey", "API-Key", "token", "securityToken", "db_password", "secret", "pwd"]
)
def test_a_key_for_a_secret_is_refused_without_repeating_it(key: str) -> None:
    for wrong in ({**FILE, key: "hunter2"}, options("file", "columns.0", {**FILE["columns"][0], key: "hunter2"})):  # type: ignore[dict-item]
        (message,) = faults("file", options=wrong)["options"]
        assert key in message
        assert "Airflow connection" in message
        assert "hunter2" not in message


def test_an_address_with_a_password_is_refused_wherever_it_stands() -> None:
    query = {**SQL, "query": f"-- postgres://me:hunter2@host/db\n{SQL['query']}"}
    pasted = faults("sql", connection="postgres://me:hunter2@host/db", options=query)
    assert set(pasted) == {"connection", "options"}
    assert "hunter2" not in str(pasted)


def test_a_series_that_there_is_not_is_refused_by_name() -> None:
    found = faults("aggregate", options={"columns": [{"series": "zone", "feeders": [{"series": "east"}]}]})
    assert found["options"] == [
        'columns[0].series = "zone": there is no series of this slug.',
        'columns[0].feeders[0].series = "east": there is no series of this slug.',
    ]


@pytest.mark.parametrize(
    ("kind", "feeds", "column", "series", "good"),
    [
        ("file", "demand", {}, "air", True),
        ("file", "demand", {}, "town-forecast", True),
        ("file", "weather", {}, "air", True),
        ("file", "weather", {}, "wind", True),
        ("file", "weather", {}, "town", False),
        ("sql", "weather", {}, "town-forecast", False),
        ("open_meteo", "weather", {}, "wind", True),
        ("open_meteo", "weather", {}, "town", False),
        ("eia930", "demand", {"type": "D"}, "air", False),
        ("eia930", "demand", {"type": "D"}, "town-forecast", False),
        ("eia930", "demand", {"type": "DF"}, "town-forecast", True),
        ("entsoe", "demand", {"type": "load_forecast"}, "town", False),
        ("entsoe", "demand", {"type": "load_forecast"}, "town-forecast", True),
    ],
)
def test_a_column_feeds_series_of_its_own_quantity(
    kind: str, feeds: str, column: dict[str, Any], series: str, good: bool
) -> None:
    first = {**GOOD[kind]["options"]["columns"][0], **column, "series": series}
    found = faults(kind, feeds=feeds, options=options(kind, "columns.0", first))
    assert (found == {}) == good
    assert good or f'columns[0].series = "{series}": is a series of the quantity' in found["options"][0]


@pytest.mark.parametrize(
    ("own", "resample", "said"),
    [
        ("PT30M", None, ""),
        ("PT5M", "mean", ""),
        ("PT5M", "sum", ""),
        ("PT1H", "repeat", ""),
        ("PT5M", None, "has intervals of PT30M, the source of PT5M: resample must be “mean” or “sum”"),
        ("PT5M", "repeat", "resample must be “mean” or “sum”"),
        ("PT1H", "mean", "resample must be “repeat”"),
        ("PT20M", "mean", "neither is a multiple of the other"),
    ],
)
def test_intervals_of_another_length_need_a_way_to_become_those_of_the_series(
    own: str, resample: str | None, said: str
) -> None:
    told = {**FILE, "resolution": own} | ({"resample": resample} if resample else {})
    found = faults("file", options=told)
    assert (found == {}) if not said else said in found["options"][0]


def test_a_zone_is_the_sum_of_series_like_itself(make_series: MakeSeries) -> None:
    make_series("hourly", resolution=HOUR)
    for feeder, said in (
        ("hourly", "a feeder has whole parts of those, or the same"),
        ("air", "is a series of the quantity temperature"),
    ):
        found = faults("aggregate", options=options("aggregate", "columns.0.feeders.0.series", feeder))
        assert said in found["options"][0]


def test_a_feeder_may_be_finer_than_its_zone(make_series: MakeSeries) -> None:
    make_series("quarters", resolution=HOUR / 4)
    assert faults("aggregate", options=options("aggregate", "columns.0.feeders.0.series", "quarters")) == {}


@pytest.mark.parametrize("kind", ["eia930", "open_meteo"])
def test_an_hourly_service_needs_a_way_to_half_hours_and_no_resolution(kind: str) -> None:
    halves = {name: value for name, value in GOOD[kind]["options"].items() if name != "resample"}
    assert "the source of PT1H: resample must be “repeat”" in faults(kind, options=halves)["options"][0]
    assert faults(kind, options={**halves, "resample": "repeat"}) == {}


@pytest.mark.parametrize(
    ("kind", "option", "said"),
    [
        ("entsoe", {"resample": "sum"}, "the values are MW, of which a sum is none"),
        ("sql", {"ambiguous": "in_order"}, "rows of a database have no order"),
    ],
)
def test_what_the_connector_of_a_kind_refuses_is_refused_here(kind: str, option: dict[str, str], said: str) -> None:
    assert said in faults(kind, options={**GOOD[kind]["options"], **option})["options"][0]


def test_a_sum_of_sums_needs_a_source_of_its_own() -> None:
    zones = [
        {"series": "town", "feeders": [{"series": "north"}]},
        {"series": "north", "feeders": [{"series": "south"}]},
    ]
    assert "is summed up by this source too" in faults("aggregate", options={"columns": zones})["options"][0]


def test_the_model_checks_itself_by_its_kind() -> None:
    Source(slug="s", name="S", url="a.csv", options=FILE).full_clean()
    with pytest.raises(ValidationError, match="needs the id of an Airflow connection"):
        Source(slug="s", name="S", kind="sql", options=SQL).full_clean()
