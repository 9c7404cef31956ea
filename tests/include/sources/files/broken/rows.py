"""Rows that are wrong, and cost nothing but themselves."""

from __future__ import annotations

from typing import Any

from tests.include.sources.files.broken.case import HEADER, Case, lines

FIRST = "2024-07-01T00:00Z,41"
LAST = "2024-07-01T00:30Z,43"
AROUND: dict[str, float | None] = {"00:00": 41.0, "00:30": 43.0}
BERLIN = {"time_zone": "Europe/Berlin"}


def between(name: str, line: str, rule: str, **options: Any) -> Case:
    """One bad line between two good ones."""
    return Case(name, lines(FIRST, line, LAST), stored=AROUND, bad=((3, rule),), options=options)


def missing(name: str, text: str) -> Case:
    return Case(name, lines(FIRST, f"2024-07-01T01:00Z,{text}", LAST), stored={**AROUND, "01:00": None})


ROWS = [
    between("a word for a number", "2024-07-01T01:00Z,much", "not_a_number"),
    between("a time that is none", "yesterday,5", "not_a_time"),
    between("a date of day, month, year", "01/07/2024 01:00,5", "not_a_time"),
    between("a 30th of February", "2024-02-30T00:00Z,5", "not_a_time"),
    between("the year 1", "0001-01-01T00:00Z,5", "not_a_time"),
    between("the year 9999", "9999-12-31T00:00Z,5", "not_a_time"),
    between("a time without a zone", "2024-07-01T01:00,5", "naive_time"),
    between("too few fields", "2024-07-01T01:00Z", "field_count"),
    between("too many fields", "2024-07-01T01:00Z,5,5", "field_count"),
    between("an infinite number", "2024-07-01T01:00Z,inf", "not_finite"),
    between("a number beyond all others", "2024-07-01T01:00Z,1e309", "not_finite"),
    between("an integer of 400 digits", f"2024-07-01T01:00Z,{'7' * 400}", "not_finite"),
    between("an integer that is not exact", "2024-07-01T01:00Z,9007199254740993", "inexact"),
    between("a number next to nothing", "2024-07-01T01:00Z,1e-400", "inexact"),
    between("thousands in groups", '2024-07-01T01:00Z,"1,234"', "not_a_number"),
    between("a percentage", "2024-07-01T01:00Z,50%", "not_a_number"),
    between("a hexadecimal number", "2024-07-01T01:00Z,0x1F", "not_a_number"),
    between("an underscore in a number", "2024-07-01T01:00Z,1_000", "not_a_number"),
    between("full-width digits", "2024-07-01T01:00Z,４１", "not_a_number"),
    between("a boolean", "2024-07-01T01:00Z,true", "not_a_number"),
    between("a negative load", "2024-07-01T01:00Z,-5", "negative_load"),
    between("a time off the grid", "2024-07-01T01:07Z,5", "off_grid"),
    between("a time yet to come", "2199-06-01T00:00Z,5", "future_time"),
    between(
        "a value below its bound",
        "2024-07-01T01:00Z,5",
        "out_of_bounds",
        columns=[
            {"column": "load", "series": "town", "minimum": 10, "maximum": 100},
        ],
    ),
    missing("NaN is missing", "NaN"),
    missing("NA is missing", "NA"),
    missing("nothing is missing", ""),
    missing("a dash is missing", "-"),
    Case(
        "a declared text is missing",
        lines(FIRST, "2024-07-01T01:00Z,-999", LAST),
        stored={**AROUND, "01:00": None},
        options={"missing": ["-999"]},
    ),
    Case(
        "a missing value yet to come is left out",
        lines(FIRST, "2199-06-01T00:00Z,", LAST),
        stored=AROUND,
        noted={"future_missing": 1},
    ),
    Case(
        "a line twice counts once",
        lines(FIRST, LAST, FIRST, FIRST),
        stored=AROUND,
        noted={"repeated": 2},
    ),
    Case(
        "two values for one time",
        lines(FIRST, "2024-07-01T01:00Z,5", LAST, "2024-07-01T03:00+02:00,6"),
        stored=AROUND,
        bad=((3, "contradiction"), (5, "contradiction")),
    ),
    Case(
        "a number and none for one time",
        lines(FIRST, "2024-07-01T01:00Z,5", LAST, "2024-07-01T01:00Z,"),
        stored=AROUND,
        bad=((3, "contradiction"), (5, "contradiction")),
    ),
    Case(
        "a last line without an end",
        f"{lines(FIRST, LAST)}2024-07-01T01:00Z,5",
        stored=AROUND,
        bad=((4, "unterminated_line"),),
    ),
    Case(
        "a decimal comma that nobody declared",
        lines("2024-07-01T00:00Z;41", "2024-07-01T01:00Z;1,5", "2024-07-01T00:30Z;43", header="time;load\n"),
        stored=AROUND,
        bad=((3, "not_a_number"),),
    ),
    Case(
        "points where the comma is declared",
        lines(
            "2024-07-01T00:00Z;41,0",
            "2024-07-01T01:00Z;1.5",
            "2024-07-01T01:30Z;1.234,5",
            "2024-07-01T00:30Z;43",
            header="time;load\n",
        ),
        stored=AROUND,
        bad=((3, "not_a_number"), (4, "not_a_number")),
        options={"decimal": ","},
    ),
    Case(
        "a comma and a decimal comma without quotes",
        lines(FIRST, "2024-07-01T01:00Z,1,5", LAST),
        stored=AROUND,
        bad=((3, "field_count"),),
    ),
    Case(
        "a local time that comes twice, and one that does not exist",
        lines("2024-07-01 02:00,41", "2024-10-27 02:30,5", "2024-03-31 02:30,6", "2024-07-01 02:30,43"),
        stored=AROUND,
        bad=((3, "clock_change"), (4, "clock_change")),
        options=BERLIN,
    ),
    Case(
        "a local time that comes twice, as declared",
        lines("2024-07-01 02:00,41", "2024-10-27 02:30,5", "2024-03-31 02:30,6", "2024-07-01 02:30,43"),
        stored={**AROUND, "2024-10-27 01:30": 5.0, "2024-03-31 01:00": 6.0},
        noted={"ambiguous": 1, "nonexistent": 1},
        options={**BERLIN, "ambiguous": "later", "nonexistent": "shift_forward"},
    ),
    Case(
        "an hour that comes twice, in its order",
        lines(
            *(
                f"2024-10-27 {time},{load}"
                for load, time in enumerate(("01:30", "02:00", "02:30", "02:00", "02:30", "03:00"))
            )
        ),
        stored={
            "2024-10-26 23:30": 0.0,
            "2024-10-27 00:00": 1.0,
            "2024-10-27 00:30": 2.0,
            "2024-10-27 01:00": 3.0,
            "2024-10-27 01:30": 4.0,
            "2024-10-27 02:00": 5.0,
        },
        noted={"ambiguous": 4},
        options={**BERLIN, "ambiguous": "in_order"},
    ),
    Case(
        "labels at the end of the intervals",
        lines("2024-07-01T00:30Z,41", "2024-07-01T01:00Z,43"),
        stored=AROUND,
        options={"labels": "end"},
    ),
    Case(
        "finer intervals, of which one is not whole",
        lines(*(f"2024-07-01T00:{minute:02d}Z,{minute}" for minute in (0, 10, 20, 30, 40))),
        stored={"00:00": 10.0},
        noted={"incomplete_interval": 1},
        options={"resolution": "PT10M", "resample": "mean"},
    ),
    Case(
        "finer intervals that nobody declared",
        lines(*(f"2024-07-01T00:{minute:02d}Z,{minute}" for minute in (0, 10, 20, 30, 40))),
        refused="has a value of town every 0 days 00:10:00, where 0 days 00:30:00 are expected",
    ),
    Case(
        "values of hours among those of half-hours",
        lines(
            *(f"2024-07-01T00:{minute:02d}Z,{minute}" for minute in (0, 30)),
            *(f"2024-07-{1 + hour // 24:02d}T{hour % 24:02d}:00Z,{hour}" for hour in range(1, 26)),
            "2024-07-02T01:30Z,99",
        ),
        stored={"00:00": 0.0, "00:30": 30.0, "2024-07-02 01:00": 25.0, "2024-07-02 01:30": 99.0},
        bad=tuple((line, "mixed_interval") for line in range(4, 28)),
    ),
    Case(
        "coarser intervals, repeated as declared",
        lines("2024-07-01T00:00Z,41", "2024-07-01T01:00Z,43"),
        stored={"00:00": 41.0, "00:30": 41.0, "01:00": 43.0, "01:30": 43.0},
        options={"resolution": "PT1H", "resample": "repeat"},
    ),
    Case("a byte order mark", b"\xef\xbb\xbf" + lines(FIRST, LAST).encode(), stored=AROUND),
    Case("line ends of Windows", lines(FIRST, LAST).replace("\n", "\r\n"), stored=AROUND),
    Case("line ends of an old Macintosh", lines(FIRST, LAST).replace("\n", "\r"), stored=AROUND),
    Case(
        "columns in another order, and more of them",
        "x,load,time\n1,41,2024-07-01T00:00Z\n,43,2024-07-01T00:30Z\n",
        stored=AROUND,
    ),
    Case("exponents, signs and bare points", lines("2024-07-01T00:00Z,+4.1e1", "2024-07-01T00:30Z,43."), stored=AROUND),
    Case(
        "everything in quotes",
        f'"time","load"\n"{FIRST.replace(",", chr(34) + "," + chr(34))}"\n{LAST}\n',
        stored=AROUND,
    ),
    Case("blank lines", f"{HEADER}\n{FIRST}\n\n\r\n{LAST}\n\n", stored=AROUND),
]
