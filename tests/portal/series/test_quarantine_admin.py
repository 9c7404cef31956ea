"""The quarantine's pages, as a data engineer works through them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from portal.series.models import Observation, QuarantinedRow, Series, Source
from portal.series.quarantine import admin as pages

LIST = reverse("admin:series_quarantinedrow_changelist")
NEGATIVE = {"series": "victoria", "valid_time": "2014-11-01T00:00:00Z", "value": -5.0}
LINE = {"victoria.0-valid_time": "2014-11-01 11:00+11:00", "victoria.0-value": "5"}


@pytest.fixture(autouse=True)
def source(make_series: Callable[..., Series]) -> Source:
    make_series("victoria")
    make_series("melbourne", quantity="temperature", unit="°C")
    columns = [{"column": "temp", "series": "melbourne"}, {"column": "load", "series": "victoria"}]
    return Source.objects.create(slug="archive", name="Archive", url="a.csv", options={"columns": columns})


@pytest.fixture
def engineer(make_user: Callable[..., User]) -> Client:
    client = Client()
    client.force_login(make_user("data_engineer", "anna"))
    return client


@pytest.fixture
def bad(source: Source) -> Callable[..., QuarantinedRow]:
    def made(row: int = 7, **facts: Any) -> QuarantinedRow:
        plain = {"rule": "negative_load", "raw": '{"load":"-5"}', "message": "It is negative.", "values": [NEGATIVE]}
        return QuarantinedRow.objects.create(
            source=source, file="a.csv", row=row, fingerprint=str(row), **{**plain, **facts}
        )

    return made


def page(row: QuarantinedRow, action: str = "change") -> str:
    return reverse(f"admin:series_quarantinedrow_{action}", args=(row.pk,))


def text(response: HttpResponse) -> str:
    assert response.status_code == 200
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def said(response: HttpResponse) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]  # type: ignore[attr-defined]


def listed(response: HttpResponse) -> list[int]:
    return [row.row for row in response.context["cl"].result_list]  # type: ignore[attr-defined]


def test_open_rows_are_listed_with_counts_and_others_when_asked_for(
    bad: Callable[..., QuarantinedRow], engineer: Client
) -> None:
    bad(1)
    bad(2, rule="missing")
    done = {"status": "dismissed", "resolved_by": User.objects.get(username="anna"), "resolved_at": "2014-11-02T00:00Z"}
    bad(3, **done)
    shown = engineer.get(LIST)
    assert listed(shown) == [2, 1]
    assert "Open (2)" in text(shown)
    assert "Dismissed (1)" in text(shown)
    assert "missing (1)" in text(shown)
    assert listed(engineer.get(LIST, {"status": "dismissed"})) == [3]
    assert listed(engineer.get(LIST, {"status": "all"})) == [3, 2, 1]
    assert listed(engineer.get(LIST, {"rule": "missing"})) == [2]
    assert listed(engineer.get(LIST, {"q": "a.csv"})) == [2, 1]
    assert listed(engineer.get(LIST, {"q": "other.csv"})) == []


def test_a_row_is_shown_as_it_came_with_what_was_read_of_it(
    bad: Callable[..., QuarantinedRow], engineer: Client
) -> None:
    row = bad(raw='{"time":"11:00","load":"<b>-5</b>","note":null}')
    content = engineer.get(page(row)).content.decode()
    assert "&lt;b&gt;-5&lt;/b&gt;" in content
    assert "<b>-5" not in content
    shown = " ".join(re.sub(r"<[^>]+>", " ", content).split())
    assert "time 11:00 load" in shown
    assert "note (empty)" in shown
    assert "victoria 2014-11-01 11:00+11:00 -5 MW" in shown, "by the clock of the series"
    assert "It is negative." in shown
    assert "Correct …" in shown


@pytest.mark.parametrize("raw", ['["a",1,null]', '"a text"', "null", "[]", "{}", '{"a":{"b":[1]}}'])
def test_a_row_of_any_form_is_shown(bad: Callable[..., QuarantinedRow], engineer: Client, raw: str) -> None:
    row = bad(raw=raw, values=[{"series": None, "valid_time": None, "value": None}])
    for action in ("change", "correct", "replay", "dismiss"):
        assert engineer.get(page(row, action)).status_code == 200


def test_the_form_is_filled_with_what_could_be_read_by_the_clock_of_the_series(
    bad: Callable[..., QuarantinedRow], engineer: Client
) -> None:
    content = engineer.get(page(bad(), "correct")).content.decode()
    assert 'value="2014-11-01 11:00+11:00"' in content
    assert 'value="-5"' in content
    assert content.index("victoria.0-value") < content.index("melbourne.0-value"), "what the row names comes first"


def test_a_correction_is_stored_and_the_page_says_so(bad: Callable[..., QuarantinedRow], engineer: Client) -> None:
    row = bad()
    answer = engineer.post(page(row, "correct"), {**LINE, "reason": "the sign was lost"})
    assert (answer.status_code, answer["Location"]) == (302, page(row))
    assert said(answer) == ["archive a.csv:7 negative_load is corrected."]
    assert Observation.objects.get().value == 5.0
    shown = text(engineer.get(page(row)))
    for told in ("Corrected by hand", "anna", "the sign was lost", "victoria 2014-11-01 11:00+11:00 5 MW"):
        assert told in shown
    assert "Correct …" not in shown, "nothing is left to do"


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({**LINE, "victoria.0-value": "4100,5"}, "“4100,5” is not a number such as 4100.5."),
        ({**LINE, "victoria.0-value": "nan"}, "“nan” is not a number such as 4100.5."),
        (
            {**LINE, "victoria.0-value": "-1"},
            "The load is negative, and the series does not allow export. (rule negative",
        ),
        ({**LINE, "victoria.0-valid_time": ""}, "A value needs its time."),
        ({**LINE, "victoria.0-valid_time": "noon"}, "“noon” is not a time such as 2014-11-01 11:00+11:00."),
        ({**LINE, "victoria.0-valid_time": "2014-11-01 11:00"}, "“2014-11-01 11:00” has no timezone"),
        ({**LINE, "victoria.0-valid_time": "2014-11-01 11:07Z"}, "valid_time is not on the grid of 30 minutes."),
        ({**LINE, "victoria.0-valid_time": "2150-11-01 11:00Z"}, "A load is not known before its interval is over"),
        ({**LINE, "victoria.0-missing": "on"}, "Give a value, or say that it is known to be missing, not both."),
        ({**LINE, "victoria.0-value": ""}, "Give at least one value."),
        ({**LINE, "reason": ""}, "This field is required."),
    ],
)
def test_what_is_wrong_is_said_beside_the_field_and_what_was_typed_stays(
    bad: Callable[..., QuarantinedRow], engineer: Client, sent: dict[str, str], told: str
) -> None:
    row = bad()
    answer = engineer.post(page(row, "correct"), {"reason": "so", **sent})
    assert told in text(answer)
    assert f'value="{sent["victoria.0-valid_time"]}"' in answer.content.decode() or not sent["victoria.0-valid_time"]
    row.refresh_from_db()
    assert row.status == "open"
    assert not Observation.objects.exists()


def test_a_value_is_said_to_be_missing_by_a_tick(bad: Callable[..., QuarantinedRow], engineer: Client) -> None:
    sent = {**LINE, "victoria.0-value": "", "victoria.0-missing": "on", "reason": "the meter was off"}
    assert engineer.post(page(bad(), "correct"), sent).status_code == 302
    assert Observation.objects.get().value is None


def test_a_row_is_replayed_once_its_rule_does_not_hold_any_more(
    bad: Callable[..., QuarantinedRow], engineer: Client
) -> None:
    row = bad()
    answer = engineer.post(page(row, "replay"), {"reason": ""})
    assert "negative_load" in said(answer)[0]
    Series.objects.update(allows_export=True)
    engineer.post(page(row, "replay"), {"reason": ""})
    row.refresh_from_db()
    assert (row.status, Observation.objects.get().value) == ("replayed", -5.0)


def test_who_comes_second_is_led_back_and_told_who_did_what(
    bad: Callable[..., QuarantinedRow], engineer: Client
) -> None:
    row = bad()
    engineer.post(page(row, "dismiss"), {"reason": "a test of the meter"})
    for action in ("correct", "replay", "dismiss"):
        for answer in (engineer.get(page(row, action)), engineer.post(page(row, action), {**LINE, "reason": "so"})):
            assert answer["Location"] == page(row)
            assert "was dismissed, by anna at" in said(answer)[-1]
    assert not Observation.objects.exists()


def test_several_rows_are_dismissed_with_one_reason(bad: Callable[..., QuarantinedRow], engineer: Client) -> None:
    rows = [bad(number) for number in range(3)]
    sent = {"action": "dismiss_selected", "_selected_action": [row.pk for row in rows[:2]]}
    asked = engineer.post(LIST, sent)
    assert "Dismiss 2 rows" in text(asked)
    answer = engineer.post(LIST, {**sent, "reason": "a test of the meter"})
    assert said(answer) == ["2 of 2 rows are dismissed."]
    assert sorted(QuarantinedRow.objects.values_list("row", "status")) == [
        (0, "dismissed"),
        (1, "dismissed"),
        (2, "open"),
    ]


def test_of_several_replayed_rows_the_refused_are_told_and_the_others_accepted(
    bad: Callable[..., QuarantinedRow], engineer: Client
) -> None:
    good = bad(1, values=[{**NEGATIVE, "value": 5.0}])
    rows = [good, bad(2), bad(3, values=[])]
    sent = {"action": "replay_selected", "_selected_action": [row.pk for row in rows], "reason": ""}
    told = said(engineer.post(LIST, sent))
    assert len(told) == 3
    assert "a.csv:2 negative_load: The load is negative" in told[0]
    assert "a.csv:3 negative_load: not all of its values could be read" in told[1]
    assert told[2] == "1 of 3 rows is accepted as it came."
    assert Observation.objects.get().value == 5.0


def test_all_rows_of_the_list_are_dismissed_but_not_those_that_came_later(
    bad: Callable[..., QuarantinedRow], engineer: Client
) -> None:
    rows = [bad(number) for number in range(3)]
    sent = {"action": "dismiss_selected", "_selected_action": rows[0].pk, "select_across": "1"}
    asked = engineer.post(LIST, sent).content.decode()
    up_to = re.search(r'name="up_to" value="(\d+)"', asked)
    assert up_to is not None
    bad(4)
    engineer.post(LIST, {**sent, "up_to": up_to[1], "reason": "an old file"})
    assert list(QuarantinedRow.objects.filter(status="open").values_list("row", flat=True)) == [4]


def test_more_rows_than_a_request_can_take_are_refused(
    bad: Callable[..., QuarantinedRow], engineer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "MOST_AT_ONCE", 1)
    rows = [bad(number) for number in range(2)]
    sent = {"action": "dismiss_selected", "_selected_action": [row.pk for row in rows], "reason": "so"}
    assert said(engineer.post(LIST, sent)) == ["These are more than 1 rows; narrow the list by a filter first."]


@pytest.mark.parametrize("role", ["forecaster", "operator"])
def test_others_look_and_are_not_asked(
    bad: Callable[..., QuarantinedRow], make_user: Callable[..., User], role: str
) -> None:
    row = bad()
    client = Client()
    client.force_login(make_user(role))
    shown = text(client.get(page(row)))
    assert "It is negative." in shown
    assert "Correct …" not in shown
    for action in ("correct", "replay", "dismiss"):
        assert client.post(page(row, action), {**LINE, "reason": "so"}).status_code == 403
    sent = {"action": "dismiss_selected", "_selected_action": [row.pk], "reason": "so"}
    client.post(LIST, sent)
    row.refresh_from_db()
    assert row.status == "open"


def test_the_overview_tells_how_many_rows_wait(bad: Callable[..., QuarantinedRow], engineer: Client) -> None:
    overview = reverse("admin:index")
    assert "in quarantine" not in text(engineer.get(overview))
    bad(1)
    bad(2)
    assert "2 rows in quarantine wait for a decision" in text(engineer.get(overview))
