"""The forms from which a DAG is triggered by hand: explained, and hard to fill in wrongly."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from forecasting import available_models
from include.defaults import TRAINED_KINDS
from tests.dags.test_wiring import DAG_IDS, IN_BATCHES

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

BATCHES = {"ingest_demand": "sources", "ingest_weather": "sources"}
"""What a DAG is asked for by name; the others are asked for series."""
TIMES = [
    (dag_id, name) for dag_id in DAG_IDS for name in (("as_of", "start", "end") if dag_id in BATCHES else ("as_of",))
]


def filled_in(bag: DagBag, dag_id: str, **values: Any) -> dict[str, Any]:
    """The form with these values, checked as Airflow checks it before a run is made."""
    form = deepcopy(bag.dags[dag_id].params)
    form.update(values)
    return form.validate()


def refusal(bag: DagBag, dag_id: str, name: str, value: Any) -> str:
    from airflow.sdk.exceptions import ParamValidationError

    with pytest.raises(ParamValidationError) as refused:
        filled_in(bag, dag_id, **{name: value})
    return str(refused.value)


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_every_field_is_explained(bag: DagBag, dag_id: str) -> None:
    form = bag.dags[dag_id].params
    for name in form:
        param = form.get_param(name)
        assert param.schema.get("title"), name
        assert param.description, name
        assert param.description.endswith("."), name


@pytest.mark.parametrize("dag_id", IN_BATCHES)
def test_a_form_left_as_it_is_names_no_series_and_no_time(bag: DagBag, dag_id: str) -> None:
    form = filled_in(bag, dag_id)
    kinds = form.pop("kinds", None)
    assert kinds == (list(TRAINED_KINDS) if dag_id == "train_models" else None)
    assert form.pop(BATCHES.get(dag_id, "series")) == []
    assert "as_of" in form
    assert set(form.values()) == {None}


def test_the_store_is_maintained_for_real_and_unconfirmed_unless_the_form_says_otherwise(bag: DagBag) -> None:
    assert filled_in(bag, "maintain_store") == {"as_of": None, "dry_run": False, "confirm": False}
    assert filled_in(bag, "maintain_store", dry_run=True)["dry_run"] is True
    assert "is not of type 'boolean'" in refusal(bag, "maintain_store", "dry_run", "no")


@pytest.mark.parametrize("dag_id", IN_BATCHES)
@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("victoria", "'victoria' is not of type 'null', 'array'"),
        ([7], "7 is not of type 'string'"),
        (["victoria", None], "None is not of type 'string'"),
        ({"slug": "victoria"}, "is not of type 'null', 'array'"),
    ],
)
def test_names_are_a_list_of_texts(bag: DagBag, dag_id: str, value: Any, words: str) -> None:
    name = BATCHES.get(dag_id, "series")
    said = refusal(bag, dag_id, name, value)
    assert f"Invalid input for param {name}" in said
    assert words in said


@pytest.mark.parametrize("dag_id", IN_BATCHES)
def test_names_may_be_left_out_so_the_form_does_not_mark_them_as_required(bag: DagBag, dag_id: str) -> None:
    name = BATCHES.get(dag_id, "series")
    assert "null" in bag.dags[dag_id].params.get_param(name).schema["type"], "what the form goes by"
    assert filled_in(bag, dag_id, **{name: None})[name] is None


@pytest.mark.parametrize("dag_id", IN_BATCHES)
def test_names_that_are_a_list_of_texts_are_taken(bag: DagBag, dag_id: str) -> None:
    name = BATCHES.get(dag_id, "series")
    assert filled_in(bag, dag_id, **{name: ["victoria", "england-wales"]})[name] == ["victoria", "england-wales"]


@pytest.mark.parametrize(("dag_id", "name"), TIMES)
@pytest.mark.parametrize(
    "value", ["yesterday", "2014-13-01T00:00:00Z", "2014-12-01T25:00:00Z", "2014-12-01T00:00:00", "2014-12-01", ""]
)
def test_a_time_that_is_none_or_has_no_offset_is_refused(bag: DagBag, dag_id: str, name: str, value: str) -> None:
    assert f"Invalid input for param {name}: {value!r} is not a 'date-time'" in refusal(bag, dag_id, name, value)


@pytest.mark.parametrize(("dag_id", "name"), TIMES)
def test_a_time_is_a_text(bag: DagBag, dag_id: str, name: str) -> None:
    assert "20141201 is not of type" in refusal(bag, dag_id, name, 20141201)


@pytest.mark.parametrize(("dag_id", "name"), TIMES)
@pytest.mark.parametrize("value", ["2014-12-01T00:00:00Z", "2014-12-01T00:00:00+11:00", "2014-12-01T00:00:00.5-03:30"])
def test_a_time_with_an_offset_is_taken_and_the_tasks_read_it(bag: DagBag, dag_id: str, name: str, value: str) -> None:
    from include.times import read_time

    assert read_time(filled_in(bag, dag_id, **{name: value})[name], name=name).utcoffset() is not None


def test_the_kinds_on_offer_are_those_of_the_library(bag: DagBag) -> None:
    kinds = bag.dags["train_models"].params.get_param("kinds")
    assert kinds.schema["items"]["enum"] == list(available_models())
    assert kinds.schema["examples"] == list(available_models()), "the UI offers the examples"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (["prophet"], "'prophet' is not one of ['seasonal_naive', "),
        (["arima", ""], "'' is not one of"),
        ("arima", "'arima' is not of type 'array'"),
        ([], "[] should be non-empty"),
    ],
)
def test_kinds_that_the_library_has_not_or_none_at_all_are_refused(bag: DagBag, value: Any, words: str) -> None:
    said = refusal(bag, "train_models", "kinds", value)
    assert "Invalid input for param kinds" in said
    assert words in said


def test_one_kind_can_be_trained_alone(bag: DagBag) -> None:
    assert filled_in(bag, "train_models", kinds=["arima"])["kinds"] == ["arima"]


@pytest.mark.parametrize(("value", "words"), [(-1, "less than the minimum"), (2000, "greater than"), ("many", "type")])
def test_trials_that_are_no_small_number_are_refused(bag: DagBag, value: Any, words: str) -> None:
    said = refusal(bag, "train_models", "tuning_trials", value)
    assert "Invalid input for param tuning_trials" in said
    assert words in said
