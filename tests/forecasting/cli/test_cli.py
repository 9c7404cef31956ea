import functools
import gzip
import json
import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path

import pandas as pd
import pytest

from forecasting import load_model
from forecasting.cli import main
from forecasting.figures import FIGURES

ROOT = Path(__file__).parents[3]
MODEL = ["--timezone", "Europe/London", "--kind", "arima", "--set", "daily_harmonics=5"]


def test_train_then_forecast_gives_what_the_library_gives(csv, demand, tmp_path, capsys):
    as_of = "2024-03-10T00:00:00Z"
    assert main(["train", str(csv), *MODEL, "--as-of", as_of, "--output", str(tmp_path / "model")]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["training"]["end"] == "2024-03-10T00:00:00+00:00"
    command = [
        "forecast",
        str(csv),
        "--model",
        str(tmp_path / "model"),
        "--sha256",
        printed["sha256"],
        "--as-of",
        as_of,
    ]
    assert main([*command, "--horizon", "24h", "--output", str(tmp_path / "out.csv")]) == 0
    found = pd.read_csv(tmp_path / "out.csv", index_col=0, parse_dates=True).rename(columns=float)
    frame = demand(days=40)
    history, future = frame.loc[:"2024-03-09T23"], frame.drop(columns="load").loc["2024-03-10"]
    expected = load_model(tmp_path / "model").predict(history, future)
    pd.testing.assert_frame_equal(found, expected, check_names=False, check_freq=False)
    assert main([*command, "--format", "json", "--horizon", "1h"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows == [
        {"valid_time": "2024-03-10T00:00:00Z", **{str(level): rows[0][str(level)] for level in (0.1, 0.5, 0.9)}}
    ]


def test_a_forecast_can_be_explained(csv, tmp_path, capsys):
    assert main(["train", str(csv), *MODEL, "--output", str(tmp_path / "model")]) == 0
    files = ["--output", str(tmp_path / "out.csv"), "--explain", str(tmp_path / "why.csv")]
    assert main(["forecast", str(csv), "--model", str(tmp_path / "model"), *files]) == 0
    forecast, why = (pd.read_csv(tmp_path / name, index_col="valid_time") for name in ("out.csv", "why.csv"))
    assert list(why.columns) == ["level", "calendar", "holiday", "weather", "recent_load", "other"]
    pd.testing.assert_series_equal(why.sum(axis=1), forecast["0.5"], check_names=False)


def test_backtest_writes_a_report_and_every_value(csv, tmp_path, capsys):
    files = ["--output", str(tmp_path / "report.json"), "--predictions", str(tmp_path / "values.csv")]
    assert main(["backtest", str(csv), *MODEL, "--origins", "2", *files]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["n_origins"] == 2
    assert report["metrics"]["mae"] < report["baseline"]["mae"]
    assert len(pd.read_csv(tmp_path / "values.csv")) == 96
    streams = capsys.readouterr()
    # Progress is for people: what is not a terminal gets none.
    assert (streams.out, streams.err) == ("", "")


def test_backtest_draws_its_report_into_a_folder_new_or_old(csv, tmp_path, capsys):
    figures = tmp_path / "figures"
    command = ["backtest", str(csv), *MODEL, "--origins", "2", "--figures", str(figures)]
    assert main([*command, "--validate-only"]) == 0
    assert not figures.exists()
    for _ in range(2):
        assert main(command) == 0
        assert {file.name for file in figures.iterdir()} == {f"{name}.png" for name in FIGURES}
    capsys.readouterr()
    assert main([*command, "--figures", str(csv)]) == 2
    assert capsys.readouterr().err == f"error: --figures {csv} is a file; name a folder, which may exist\n"


def test_validate_only_says_what_it_found_and_writes_nothing(csv, tmp_path, capsys):
    assert main(["train", str(csv), *MODEL, "--validate-only", "--output", str(tmp_path / "model")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"], found["resolution"], found["covariates"]) == (960, "60min", ["temperature"])
    assert not (tmp_path / "model").exists()


def test_missing_intervals_become_gaps_and_local_times_need_a_timezone(demand, tmp_path, capsys):
    frame = demand(days=70)
    local = frame.tz_convert("Europe/London").tz_localize(None).rename_axis("time")
    path = tmp_path / "local.csv"
    local.drop(local.index[100:110]).to_csv(path)
    command = ["train", str(path), *MODEL, "--time-column", "time", "--validate-only", "--output", "x"]
    assert main(command) == 2
    assert "line 2" in capsys.readouterr().err
    assert main([*command, "--csv-timezone", "Europe/London"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"], found["missing_loads"], found["start"]) == (1680, 10, "2024-02-01T00:00:00+00:00")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda lines: [*lines[:50], lines[50].replace(",", ",n/v ", 1), *lines[51:]],
            ["line 51", "n/v", "is a finite number"],
        ),
        (lambda lines: [*lines[:50], "yesterday,1,1", *lines[51:]], ["line 51", "yesterday", "ISO 8601"]),
        (lambda lines: [*lines[:51], lines[50], *lines[51:]], ["line 52", "once"]),
        (lambda lines: [*lines[:50], lines[51], lines[50], *lines[52:]], ["line 52", "order"]),
        (
            lambda lines: [*lines[:50], lines[50].replace(":00:00", ":20:00"), *lines[51:]],
            ["line 51", "whole multiples"],
        ),
        (lambda lines: [lines[0].replace("load", "demand"), *lines[1:]], ["no column 'load'", "demand"]),
        (lambda lines: [lines[0].replace("temperature", "load"), *lines[1:]], ["line 1", "load", "unique"]),
        (lambda lines: [*lines[:50], lines[50] + ",1", *lines[51:]], ["line 51", "saw 4"]),
        (lambda lines: [*lines[:50], "", *lines[50:]], ["line 51", "''", "ISO 8601"]),
        (
            lambda lines: [*lines[:50], re.sub(",[^,]*,", ",inf,", lines[50]), *lines[51:]],
            ["line 51", "inf", "finite"],
        ),
        (lambda lines: [*lines, "2199-01-01T00:00Z,1,1"], ["line 962", "2199", "at most 366 days"]),
        (lambda lines: [lines[0], *(re.sub(",[^,]*,", ",,", line) for line in lines[1:])], ["every value is missing"]),
        (lambda lines: lines[:1], ["no rows"]),
        (lambda lines: lines[:200], ["at least 14 days"]),
        (lambda lines: [], ["cannot be read as CSV"]),
    ],
)
def test_bad_input_is_one_line_that_names_it_and_a_status(change, words, csv, tmp_path, capsys):
    csv.write_text("\n".join(change(csv.read_text().splitlines())))
    assert main(["train", str(csv), *MODEL, "--output", str(tmp_path / "model")]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--as-of", "2024-03-10"], "UTC offset"),
        (["--as-of", "tomorrow-ish"], "ISO 8601"),
        (["--as-of", "2020-01-01T00:00Z"], "no interval is over"),
        (["--country", "XX"], "XX"),
        (["--set", "depth=3"], "depth"),
        (["--set", "daily_harmonics=2.5"], "whole number"),
        (["--set", "seed=3"], "--seed"),
        (["--seed", "-1"], "seed -1"),
        (["--horizon", "1min"], "horizon"),
        (["--known-future", "wind"], "wind"),
        (["--csv-timezone", "Mars"], "Mars"),
    ],
)
def test_a_bad_option_is_named_before_anything_is_trained(options, word, csv, tmp_path, capsys):
    command = ["train", str(csv), *MODEL, *options, "--output", str(tmp_path / "model")]
    for more in ([], ["--validate-only", "--log-level", "debug"]):
        assert main([*command, *more]) == 2
        assert word in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("timestamp,load\n2024-02-01T00:00Z,1\n".encode("utf-16"), "UTF-8"),
        (b"timestamp,load\n2024-02-01T00:00Z,1\xe9\n", "UTF-8"),
        (b"", "No columns"),
        (b"\n\n", "No columns"),
    ],
)
def test_a_file_that_is_no_text_is_refused(content, words, tmp_path, capsys):
    path = tmp_path / "demand.csv"
    path.write_bytes(content)
    assert main(["check", str(path), "--timezone", "Europe/London"]) == 2
    message = capsys.readouterr().err
    assert words in message
    assert message.startswith(f"error: {path}")


@pytest.mark.parametrize("damage", [lambda packed: packed[: len(packed) // 2], lambda packed: packed[10:]])
def test_a_damaged_archive_is_refused(damage, csv, tmp_path, capsys):
    path = tmp_path / "demand.csv.gz"
    path.write_bytes(damage(gzip.compress(csv.read_bytes())))
    assert main(["check", str(path), "--timezone", "Europe/London"]) == 2
    assert capsys.readouterr().err.startswith(f"error: {path} cannot be read as CSV: ")


def test_a_byte_order_mark_is_no_part_of_the_header(csv, capsys):
    csv.write_bytes(b"\xef\xbb\xbf" + csv.read_bytes())
    assert main(["train", str(csv), *MODEL, "--validate-only", "--output", "x"]) == 0


@pytest.mark.parametrize(
    ("start", "change", "words"),
    [
        ("2024-03-10", lambda local: local, None),
        ("2024-10-10", lambda local: local, None),
        ("2024-10-10", lambda local: local[~local.index.duplicated()], ["line 410", "2024-10-27 01:00:00", "twice"]),
        (
            "2024-03-10",
            lambda local: local.rename(index={pd.Timestamp("2024-03-31T02:00"): pd.Timestamp("2024-03-31T01:00")}),
            ["line 507", "2024-03-31 01:00:00", "put forward"],
        ),
    ],
)
def test_local_times_without_offset_are_read_where_they_are_clear(start, change, words, demand, tmp_path, capsys):
    local = change(demand(start=start, days=30).tz_convert("Europe/London").tz_localize(None).rename_axis("timestamp"))
    local.to_csv(tmp_path / "local.csv")
    command = ["check", str(tmp_path / "local.csv"), "--timezone", "Europe/London", "--validate-only"]
    status = main([*command, "--csv-timezone", "Europe/London"])
    streams = capsys.readouterr()
    if words is None:
        assert status == 0
        assert json.loads(streams.out)["missing_loads"] == 0
    else:
        assert status == 2
        for word in words:
            assert word in streams.err


@pytest.mark.parametrize("engines", ["", "nose", "builtin,builtin"])
def test_an_unknown_engine_is_refused_with_those_that_exist(engines, csv, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["check", str(csv), "--timezone", "Europe/London", "--engines", engines, "--validate-only"])
    assert "builtin, deepchecks, whylogs" in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_refused_before_the_work(csv, tmp_path, capsys):
    nowhere = str(tmp_path / "none" / "report.json")
    for option in ("--output", "--predictions", "--figures"):
        assert main(["backtest", str(csv), *MODEL, option, nowhere]) == 2
        streams = capsys.readouterr()
        assert nowhere in streams.err
        assert "backtest arima" not in streams.err


def test_a_reader_that_stops_early_is_no_error(csv):
    shell = f"{sys.executable} -m forecasting backtest {csv} {' '.join(MODEL)} --origins 14 | true"
    finished = subprocess.run(
        ["/bin/bash", "-o", "pipefail", "-c", shell], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )
    assert finished.returncode == 0
    assert "Broken" not in finished.stderr
    assert "Traceback" not in finished.stderr


def test_a_backtest_may_be_told_what_is_known_ahead(csv, capsys):
    command = ["backtest", str(csv), *MODEL, "--origins", "2"]
    assert main(command) == 0
    withheld = json.loads(capsys.readouterr().out)
    assert main([*command, "--known-future", "temperature"]) == 0
    known = json.loads(capsys.readouterr().out)
    assert withheld["covariates"] != known["covariates"]
    assert known["metrics"]["mae"] < withheld["metrics"]["mae"]


def test_the_shipped_data_need_no_column_names(capsys):
    command = ["check", str(ROOT / "data" / "victoria_2014.csv.gz"), "--timezone", "Australia/Melbourne"]
    assert main([*command, "--validate-only"]) == 0
    assert json.loads(capsys.readouterr().out)["covariates"] == ["temperature"]


def test_a_missing_file_is_named(tmp_path, capsys):
    assert main(["train", str(tmp_path / "none.csv"), *MODEL, "--output", "x"]) == 2
    assert "none.csv" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["train", "backtest", "forecast", "check"])
def test_help_explains_each_command_in_a_process_of_its_own(command):
    finished = subprocess.run(
        [sys.executable, "-m", "forecasting", command, "--help"],
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=True,
    )  # fmt: skip
    assert "--validate-only" in finished.stdout
    assert "--log-level" in finished.stdout


def test_check_passes_good_data_and_fails_where_the_latest_loads_are_missing(csv, demand, tmp_path, capsys):
    command = ["--timezone", "Europe/London", "--engines", "builtin"]
    assert main(["check", str(csv), *command]) == 0
    results = json.loads(capsys.readouterr().out)
    assert {result["engine"] for result in results} == {"builtin"}
    missing = demand(days=40)
    missing.iloc[-300:, 0] = float("nan")
    missing.rename_axis("timestamp").to_csv(tmp_path / "missing.csv")
    assert main(["check", str(tmp_path / "missing.csv"), *command]) == 1
    assert "fatal: " in capsys.readouterr().err


def test_an_offset_of_hours_alone_is_an_offset(csv, capsys):
    csv.write_text(csv.read_text().replace("+00:00", "+11"))
    assert main(["check", str(csv), "--timezone", "Europe/London", "--validate-only"]) == 0
    assert json.loads(capsys.readouterr().out)["start"] == "2024-01-31T13:00:00+00:00"


def test_a_covariate_cannot_take_the_place_of_the_load(csv, capsys):
    command = ["check", str(csv), "--timezone", "UTC", "--load-column", "temperature", "--covariate", "load"]
    assert main([*command, "--validate-only"]) == 2
    assert "--covariate load and 'temperature' would both be 'load'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["demand.tar", "demand.csv.bz2", "demand.csv.zip", "demand.csv.xz"])
def test_what_is_packed_in_name_only_is_refused_by_name(name, tmp_path, capsys):
    (tmp_path / name).write_text("junk")
    assert main(["check", str(tmp_path / name), "--timezone", "UTC"]) == 2
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / name} cannot be read as CSV: ")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--horizon", "48"], "not a duration"),
        (["--horizon", "10min"], "at least an interval"),
        (["--horizon", "30d"], "at most twice"),
        (["--as-of", "9999-01-01T00:00Z"], "years 1900 to 2199"),
        (["--output", "."], "it is a folder"),
    ],
)
def test_a_forecast_of_bad_options_is_refused_by_name(options, words, csv, tmp_path, capsys):
    train = ["train", str(csv), "--timezone", "Europe/London", "--kind", "seasonal_naive"]
    assert main([*train, "--output", str(tmp_path / "model")]) == 0
    assert main(["forecast", str(csv), "--model", str(tmp_path / "model"), *options]) == 2
    assert words in capsys.readouterr().err


def test_a_forecast_is_validated_against_the_model_without_forecasting(csv, tmp_path, capsys):
    train = ["train", str(csv), "--timezone", "Europe/London", "--kind", "seasonal_naive"]
    assert main([*train, "--output", str(tmp_path / "model")]) == 0
    validate = ["forecast", str(csv), "--model", str(tmp_path / "model"), "--validate-only"]
    capsys.readouterr()
    assert main(validate) == 0
    assert json.loads(capsys.readouterr().out)["valid"]
    assert main([*validate, "--as-of", "2024-12-01T00:00Z"]) == 2
    assert "a forecast starts at most 14 days after the last known load" in capsys.readouterr().err


def test_a_folder_of_something_else_is_refused_before_the_training(csv, tmp_path, capsys):
    assert main(["train", str(csv), *MODEL, "--output", str(tmp_path)]) == 2
    assert "is no model; name a new folder" in capsys.readouterr().err


def test_an_interrupt_is_one_line_and_the_status_of_shells(csv, tmp_path, capsys, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("forecasting.cli.commands.run_backtest", interrupt)
    assert main(["backtest", str(csv), *MODEL]) == 130
    assert capsys.readouterr().err == "interrupted; nothing more is written\n"


def test_a_terminal_sees_progress(csv, tmp_path):
    seen, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 120))
    command = [sys.executable, "-m", "forecasting", "train", str(csv), *MODEL, "--output", str(tmp_path / "model")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=terminal) as process:
        os.close(terminal)
        shown = b"".join(iter(functools.partial(_read, seen), b""))  # a terminal that nobody reads is full soon
    os.close(seen)
    assert process.returncode == 0
    assert b"train arima: 100%" in shown


def _read(terminal):
    """What a terminal shows next; nothing once its last writer is gone, which Linux tells by an error."""
    try:
        return os.read(terminal, 10_000)
    except OSError:
        return b""
