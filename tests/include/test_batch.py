"""A series that fails holds up no other of its batch, and fails the task at the end."""

from __future__ import annotations

from datetime import datetime

import pytest

from forecasting.errors import SettingsError
from include.errors import BatchFailed, BatchRefused, LibraryRefused, NothingKnown, PipelineError, Stumbled
from include.portal import PortalUnavailable
from include.tasks.batch import as_pipeline_error, for_each_series
from include.times import TimeUnclear
from tests.include.town import END

BATCH = {"series": ["a", "b", "c"], "as_of": "2024-08-06T00:00:00+10:00"}


def worker(done: list[str], **failures: Exception) -> object:
    """Works on a series, or fails as told."""

    def work(slug: str, as_of: datetime) -> tuple[str, datetime]:
        if slug in failures:
            raise failures[slug]
        done.append(slug)
        return slug, as_of

    return work


def test_every_series_is_worked_on_in_order_with_the_batch_s_as_of_in_utc() -> None:
    assert for_each_series(BATCH, worker([])) == [("a", END), ("b", END), ("c", END)]  # type: ignore[arg-type]
    assert str(for_each_series(BATCH, worker([]))[0][1].tzinfo) == "UTC"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("failures", "kind", "words"),
    [
        ({"a": NothingKnown("no load")}, NothingKnown, "^no load$"),
        ({"a": SettingsError("no zone")}, LibraryRefused, "^no zone$"),
        ({"a": NothingKnown("no load"), "b": SettingsError("no zone")}, BatchRefused, "a: no load; b: no zone"),
        ({"a": NothingKnown("no load"), "b": PortalUnavailable("503")}, BatchFailed, "a: no load; b: 503"),
        ({"a": NothingKnown("no load"), "c": KeyError("zone")}, BatchFailed, "a: no load; c: KeyError: 'zone'"),
    ],
)
def test_the_others_are_done_before_a_failure_is_raised(
    failures: dict[str, Exception], kind: type[PipelineError], words: str
) -> None:
    done: list[str] = []
    with pytest.raises(kind, match=words):
        for_each_series(BATCH, worker(done, **failures))  # type: ignore[arg-type]
    assert done == [slug for slug in "abc" if slug not in failures]


def test_a_bug_that_one_series_runs_into_holds_up_no_other_and_keeps_its_cause() -> None:
    done: list[str] = []
    bug = ZeroDivisionError("a bug")
    with pytest.raises(Stumbled, match=r"^ZeroDivisionError: a bug$") as raised:
        for_each_series(BATCH, worker(done, b=bug))  # type: ignore[arg-type]
    assert done == ["a", "c"]
    assert raised.value.__cause__ is bug


def test_an_error_of_the_library_becomes_a_refusal_in_its_words() -> None:
    assert str(as_pipeline_error(SettingsError("horizon '0h' must be positive"))) == "horizon '0h' must be positive"
    assert isinstance(as_pipeline_error(SettingsError("")), LibraryRefused)
    ours = PipelineError("ours")
    assert as_pipeline_error(ours) is ours


def test_an_as_of_without_an_offset_is_refused_before_any_work() -> None:
    done: list[str] = []
    with pytest.raises(TimeUnclear, match="as_of"):
        for_each_series({**BATCH, "as_of": "2024-08-06T00:00:00"}, worker(done))  # type: ignore[arg-type]
    assert done == []
