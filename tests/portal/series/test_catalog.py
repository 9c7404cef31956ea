"""``python -m portal load_catalog``: series and sources from a file."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from portal.series.models import Covariate, Series, Source

pytestmark = pytest.mark.django_db
SHIPPED = Path(__file__).parents[3] / "data" / "catalog.json"
CATALOG: dict[str, list[dict[str, Any]]] = {
    "series": [
        {
            "slug": "victoria",
            "name": "Demand of Victoria",
            "quantity": "load",
            "unit": "MW",
            "timezone": "Australia/Melbourne",
            "resolution": "PT30M",
            "covariates": [{"name": "temperature", "series": "melbourne", "weight": 1}],
        },
        {
            "slug": "melbourne",
            "name": "Temperature in Melbourne",
            "quantity": "temperature",
            "unit": "°C",
            "timezone": "Australia/Melbourne",
            "resolution": "PT30M",
        },
    ],
    "sources": [
        {
            "slug": "archive",
            "name": "Archive",
            "kind": "file",
            "url": "archive.csv",
            "options": {"time_column": "t", "columns": [{"column": "mw", "series": "victoria", "scale": 1}]},
            "availability_delay": "PT1H",
        }
    ],
}


@pytest.fixture
def catalog() -> dict[str, Any]:
    return copy.deepcopy(CATALOG)


@pytest.fixture
def load(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[object], list[str]]:
    """Runs the command on a file of this content (a text as it is); gives the lines that it said."""

    def run(content: object) -> list[str]:
        path = tmp_path / "catalog.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        call_command("load_catalog", path)
        return capsys.readouterr().out.splitlines()

    return run


Load = Callable[[object], list[str]]


def test_the_shipped_catalog_loads_twice_and_the_second_time_changes_nothing(load: Load) -> None:
    content = SHIPPED.read_text(encoding="utf-8")
    assert len(load(content)) >= 5
    assert set(Series.objects.values_list("slug", flat=True)) == {"victoria", "victoria-temperature", "england-wales"}
    history = Series.history.count(), Source.history.count()
    assert load(content) == ["catalog: nothing to do"]
    assert (Series.history.count(), Source.history.count()) == history


def test_series_refer_to_each_other_in_any_order(load: Load, catalog: dict[str, Any]) -> None:
    load(catalog)
    covariate = Covariate.objects.get()
    assert (covariate.of.slug, covariate.name, covariate.series.slug) == ("victoria", "temperature", "melbourne")


def test_what_the_catalog_changed_is_said_and_made_so(load: Load, catalog: dict[str, Any]) -> None:
    load(catalog)
    catalog["series"][0] |= {"name": "Victoria", "scheduled": False, "covariates": []}
    catalog["sources"][0]["availability_delay"] = None
    assert load(catalog) == [
        "catalog: changed name, scheduled of the series victoria",
        "catalog: set the covariates of the series victoria",
        "catalog: changed availability_delay of the source archive",
    ]
    assert Series.objects.get(slug="victoria").name == "Victoria"
    assert Source.objects.get().availability_delay is None
    assert not Covariate.objects.exists()


def test_what_the_catalog_does_not_name_is_left_alone(load: Load, catalog: dict[str, Any]) -> None:
    load(catalog)
    load({"series": [], "sources": []})
    assert Series.objects.count() == 2


def test_the_answer_of_the_api_is_a_catalog(load: Load, catalog: dict[str, Any], service: Any) -> None:
    load(catalog)
    answer = {name: service.get(f"/api/v1/{name}/").json()["results"] for name in ("series", "sources")}
    assert load(answer) == ["catalog: nothing to do"]


def _put(catalog: Any, path: str, value: object) -> None:
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in parents:
        catalog = catalog[part]
    catalog[last] = value


@pytest.mark.parametrize(
    ("path", "value", "names"),
    [
        ("series.0.timezone", "Mars/Olympus", "series victoria: timezone"),
        ("series.1.resolution", "PT7M", "series melbourne: resolution"),
        ("series.0.colour", "red", "series victoria: there is no field colour"),
        ("series.0.covariates", [{"name": "t", "series": "atlantis"}], "series victoria: covariates"),
        ("series.0.covariates", [{"name": "t", "series": "victoria"}], "series victoria: covariates"),
        ("series.0.covariates", "melbourne", "series victoria: covariates"),
        ("series.0.slug", "", "each with a slug"),
        ("series.0.slug", ["victoria"], "slug"),
        ("series.0", "victoria", "each with a slug"),
        ("series", {}, "series must be a list"),
        ("sources.0.kind", "ftp", "source archive: kind"),
        ("sources.0.availability_delay", "an hour", "source archive: availability_delay"),
        ("sources.0.options", {}, "source archive: options"),
        ("sources.0.options", [], "source archive: options"),
        ("sources.0.options.colour", "red", "source archive: options"),
        ("sources.0.options.time_column", "", "source archive: options"),
        ("sources.0.options.time_zone", "Mars/Olympus", "source archive: options.*IANA"),
        ("sources.0.options.time_zone", None, "source archive: options"),
        ("sources.0.options.columns", 5, "source archive: options"),
        ("sources.0.options.columns", [], "source archive: options"),
        ("sources.0.options.columns.0", "mw", "source archive: options"),
        ("sources.0.options.columns.0.series", ["x"], "source archive: options"),
        ("sources.0.options.columns.0.scale", 0, "source archive: options"),
        ("sources.0.options.columns.0.scale", "1000", "source archive: options"),
        ("sources.0.options.columns.0.unit", "MW", "source archive: options"),
        ("sources.0.options.columns.0.series", "atlantis", "source archive: options: .*atlantis.*there is no series"),
        ("models", [], "a catalog is"),
    ],
)
def test_a_bad_entry_is_refused_by_name_and_nothing_is_loaded(
    load: Load, catalog: dict[str, Any], path: str, value: object, names: str
) -> None:
    _put(catalog, path, value)
    with pytest.raises(CommandError, match=names) as refusal:
        load(catalog)
    assert "catalog.json" in str(refusal.value)
    assert not Series.objects.exists()
    assert not Source.objects.exists()


@pytest.mark.parametrize("content", ["", "{", "[]", "5", '{"series": [1]}', "\ud7ff{}"])
def test_a_file_that_is_no_catalog_is_refused(load: Load, content: str) -> None:
    with pytest.raises(CommandError, match=r"catalog\.json"):
        load(content)


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"nowhere\.json cannot be read"):
        call_command("load_catalog", tmp_path / "nowhere.json")
