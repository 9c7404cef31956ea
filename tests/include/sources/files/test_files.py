"""Which files a source has, wherever they lie and whatever they are called."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import fsspec
import pytest

from include.errors import SourceError, SourceUnavailable
from include.settings import Settings
from include.sources.connector import Access
from include.sources.files.finding import FoundFile, find_files, readable
from include.sources.files.spool import spooled
from tests.include.sources.files.broken.case import lines
from tests.include.sources.files.reading import Content, read, request

LOAD = {"columns": [{"column": "load", "series": "town"}]}
NAMES = [
    "a::b.csv",
    "%2e%2e%2fescape.csv",
    "new\nline.csv",
    "$(x).csv",
    "`x`.csv",
    "c[1].csv",
    "c1.csv",
    "~.csv",
    " blank.csv ",
    "-rf.csv",
    "file:c.csv",
    "back\\slash.csv",
    "a..csv",
    "*.csv",
    "Zähler №1.csv",
    f"{'x' * 245}.csv",
]


def fill(folder: Path, *names: str) -> dict[str, float]:
    """A file of one row each; its load by name."""
    folder.mkdir(exist_ok=True)
    for load, name in enumerate(names, start=1):
        (folder / name).write_text(lines(f"2024-07-01T00:00Z,{load}"))
    return dict(zip(names, map(float, range(1, len(names) + 1)), strict=True))


def loads(content: Content) -> dict[str, float]:
    """The load of each file."""
    return {part.file: part.rows["value"].item() for part in content.parts}


@pytest.mark.parametrize("url", ["in/*", "in", "in/"])
def test_a_folder_and_a_pattern_have_all_their_files_under_names_that_stay_apart(tmp_path: Path, url: str) -> None:
    known = fill(tmp_path / "in", *NAMES)
    content = read(request(tmp_path, url, **LOAD))
    assert loads(content) == {readable(f"in/{name}"): load for name, load in known.items()}
    assert all(part.file.isprintable() and part.file == part.file.strip() for part in content.parts)


def test_hidden_files_of_a_folder_are_passed_over(tmp_path: Path) -> None:
    fill(tmp_path / "in", "a.csv", ".a.csv.part")
    assert list(loads(read(request(tmp_path, "in", **LOAD)))) == ["in/a.csv"]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_found_under_exactly_its_name(tmp_path: Path, name: str) -> None:
    known = fill(tmp_path / "in", *NAMES)
    assert loads(read(request(tmp_path, f"in/{name}", **LOAD))) == {readable(f"in/{name}"): known[name]}


def test_a_name_that_is_no_text_or_very_long_is_shown_all_the_same() -> None:
    assert readable(os.fsdecode(b"\xff.csv")) == "\\udcff.csv"
    assert readable("a\\nb") != readable("a\nb")
    assert readable(" a ") == "\\x20a\\x20"
    long = [readable("y" * 3000 + end) for end in "ab"]
    assert long[0] != long[1]
    assert all(len(name) <= 1000 for name in long)


def test_a_pattern_does_not_reach_into_the_data_folders_own_name(tmp_path: Path) -> None:
    for folder in ("data[1]", "data1"):
        fill(tmp_path / folder, f"{folder}.csv")
    assert list(loads(read(request(tmp_path / "data[1]", "*.csv", **LOAD)))) == ["data[1].csv"]


def test_of_several_files_each_is_whole_or_refused_and_the_others_are_read(tmp_path: Path) -> None:
    fill(tmp_path / "in", "a.csv", "c.csv", "e.csv")
    (tmp_path / "in" / "b.csv").write_text("time,power\n2024-07-01T00:00Z,1\n")
    (tmp_path / "in" / "d.csv").write_text(f"{lines('2024-07-01T00:00Z,1')}2024-07-01T0")
    content = read(request(tmp_path, "in/*.csv", **LOAD), catch=True)
    assert list(loads(content)) == ["in/a.csv", "in/c.csv", "in/e.csv"]
    message = str(content.refused)
    assert message.startswith("Of the 5 files of source town-file, 2 are refused: in/b.csv has no column 'load'")
    assert "in/d.csv is cut" in message
    assert [part.done for part in content.parts] == [0.2, 0.6, 1.0]


def test_what_is_no_file_or_leads_out_of_the_data_folder_is_refused_by_itself(tmp_path: Path) -> None:
    data = tmp_path / "data"
    fill(data, "a.csv", "z.csv")
    fill(tmp_path / "elsewhere", "secret.csv")
    (data / "link.csv").symlink_to(tmp_path / "elsewhere" / "secret.csv")
    (data / "good-link.csv").symlink_to(data / "a.csv")
    (data / "gone.csv").symlink_to(tmp_path / "nowhere")
    os.mkfifo(data / "pipe.csv")
    (data / "folder.csv").mkdir()
    content = read(request(data, "*.csv", **LOAD), catch=True)
    assert sorted(loads(content)) == ["a.csv", "good-link.csv", "z.csv"]
    for name, why in (("link.csv", "leaves the data folder"), ("pipe.csv", "is no file"), ("gone.csv", "")):
        assert f"{name} " in str(content.refused)
        assert why in str(content.refused)


@pytest.mark.parametrize(
    "url",
    [
        "/etc/passwd",
        "../secret.csv",
        "a/../../b.csv",
        "..",
        "file:///etc/passwd",
        "local:///etc/passwd",
        "FILE:///etc/passwd",
        "zip://a.csv::file:///etc/archive.zip",
        "zip://a.csv::/etc/archive.zip",
        "simplecache::file:///etc/passwd",
    ],
)
def test_a_url_that_leaves_the_data_folder_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(SourceError, match=r"passwd|secret|archive|\.\."):
        find_files(url, data_url=f"file://{tmp_path}", storage={})


@pytest.mark.parametrize(("url", "why"), [("", "names no file"), ("a\0b", "names no file"), ("in/*", "nothing fits")])
def test_a_url_that_names_no_file_is_refused(tmp_path: Path, url: str, why: str) -> None:
    with pytest.raises(SourceError, match=why):
        find_files(url, data_url=f"file://{tmp_path}", storage={})


def test_a_whole_url_of_the_data_folder_itself_is_allowed(tmp_path: Path) -> None:
    fill(tmp_path / "in", "a.csv")
    url = f"file://{tmp_path}/in/a.csv"
    assert loads(read(request(tmp_path, url, **LOAD))) == {url: 1.0}


def test_a_file_that_is_written_to_while_it_is_read_is_left_for_the_next_time(tmp_path: Path) -> None:
    fill(tmp_path / "in", "a.csv")
    file = find_files("in/a.csv", data_url=f"file://{tmp_path}", storage={})[0]

    def write_meanwhile() -> None:
        with file.open() as stream:
            stream.read()
            with (tmp_path / "in" / "a.csv").open("a") as other:
                other.write("2024-07-01T00:30Z,2\n")

    with pytest.raises(SourceError, match="written to while it was read"):
        write_meanwhile()


def test_any_filesystem_that_fsspec_knows_is_read(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    try:
        for name in ("b.csv", "a::b.csv", "z" * 300 + ".csv"):
            memory.pipe(f"/gridcast/{name}", lines("2024-07-01T00:00Z,1").encode())
        content = read(request(tmp_path, "memory://gridcast/*.csv", **LOAD))
        assert list(loads(content)) == [
            "memory://gridcast/a::b.csv",
            "memory://gridcast/b.csv",
            f"memory://gridcast/{'z' * 300}.csv",
        ]
    finally:
        memory.rm("/gridcast", recursive=True)


class Leaving(io.RawIOBase):
    """A file of which the storage gives no more."""

    def __init__(self, trouble: Exception) -> None:
        self.trouble = trouble

    def read(self, size: int = -1) -> bytes:
        raise self.trouble


@pytest.mark.parametrize("trouble", [ConnectionResetError("reset"), TimeoutError(), LookupError("an error of its own")])
def test_a_storage_that_goes_away_while_a_file_is_read_is_asked_again_later(trouble: Exception) -> None:
    class Storage:
        def info(self, path: str) -> dict[str, str]:
            return {"type": "file"}

        def open(self, path: str, mode: str) -> Leaving:
            return Leaving(trouble)

    file = FoundFile(Storage(), "a.csv", "a.csv")
    with (
        pytest.raises(SourceUnavailable, match="The storage of a source"),
        file.open() as stream,
        spooled(stream, name="a.csv", most_bytes=1000, is_text=True),
    ):
        pass


def test_the_position_of_a_part_stays_small_however_many_files_were_refused(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    fill(folder, "z.csv")
    for number in range(150):
        (folder / f"{number:03d}{'x' * 200}.csv").write_text(",".join("y" * 150 for _ in range(30)))
    content = read(request(tmp_path, "in", **LOAD), catch=True)
    (part,) = content.parts
    assert len(json.dumps(part.position)) < 40_000
    assert str(content.refused).count("has no column") == 150


def test_the_connections_extra_goes_to_the_filesystem(tmp_path: Path) -> None:
    fill(tmp_path / "in", "a.csv")
    asked = request(
        tmp_path,
        "dir://a.csv",
        facts={
            "access": Access(extra={"path": str(tmp_path / "in"), "target_protocol": "file"}),
        },
        **LOAD,
    )
    assert list(loads(read(asked)).values()) == [1.0]


def test_settings_limit_what_a_file_may_hold() -> None:
    assert Settings().ingest_max_bytes == 1 << 30
