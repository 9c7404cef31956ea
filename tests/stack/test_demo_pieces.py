"""The demo's plan and its report, apart from the stack."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stack.assembly import Stack
from stack.demo import error_of
from stack.demo_plan import REPLAYS, Replay
from stack.demo_report import compared, live_errors
from stack.home import Home
from stack.log_follow import LogFollower
from stack.progress import Progress
from stack.serve import addresses
from stack.supervisor import Supervisor


@pytest.mark.parametrize("replay", REPLAYS, ids=lambda replay: replay.series)
def test_every_forecast_day_of_the_demo_can_be_scored_from_the_archive(replay: Replay) -> None:
    assert len(replay.issue_times) == 7
    assert replay.issue_times[-1] + timedelta(hours=48) <= replay.archive_end
    assert replay.trained_as_of <= replay.issue_times[0]
    assert replay.issue_times[-1] + timedelta(hours=48) < replay.scored_as_of


def test_issue_times_stay_at_local_midnight_when_the_clocks_change() -> None:
    autumn = Replay(
        series="england-wales",
        source="any",
        timezone="Europe/London",
        first_day=datetime(2000, 10, 28),  # noqa: DTZ001 - a local date
        days=3,
        archive_end=datetime(2000, 11, 5, tzinfo=UTC),
    )
    assert [each.hour for each in autumn.issue_times] == [23, 23, 0]


def test_times_that_could_be_misread_are_refused() -> None:
    with pytest.raises(ValueError, match="archive_end is an aware time"):
        Replay("a", "b", "UTC", datetime(2000, 1, 1, tzinfo=UTC), 1, datetime(2000, 2, 1, tzinfo=UTC))


def test_a_plan_beyond_the_end_of_the_archive_is_refused() -> None:
    with pytest.raises(ValueError, match="the last forecast of a ends after its archive"):
        Replay("a", "b", "UTC", datetime(2000, 1, 30), 1, datetime(2000, 1, 31, 23, tzinfo=UTC))  # noqa: DTZ001


def _score(run: int, as_of: str, mae: float, n: int) -> dict[str, object]:
    return {"forecast_run": run, "as_of": as_of, "n": n, "mae": mae, "baseline": {"n": n, "mae": 2 * mae}}


def test_live_errors_weigh_runs_by_their_values_and_count_each_run_once() -> None:
    scores = [
        _score(1, "2014-12-25T00:00:00Z", 900.0, 10),
        _score(1, "2014-12-26T00:00:00Z", 100.0, 96),
        _score(2, "2014-12-26T00:00:00Z", 400.0, 32),
    ]
    own, naive, runs = live_errors(scores)
    assert runs == 2
    assert own["mae"] == pytest.approx((100 * 96 + 400 * 32) / 128)
    assert naive["mae"] == pytest.approx(2 * own["mae"])
    assert "mape" not in own


def test_without_scores_there_are_no_live_errors() -> None:
    assert live_errors([]) == ({}, {}, 0)


@pytest.mark.parametrize(
    ("mae", "naive", "words"),
    [(77.0, 100.0, "23 % lower"), (135.0, 100.0, "35 % higher"), (None, 100.0, "unknown"), (5.0, None, "unknown")],
)
def test_an_error_is_compared_in_words_whichever_is_better(mae: float | None, naive: float | None, words: str) -> None:
    assert compared({"mae": mae}, {"mae": naive}) == words


def test_a_failed_tasks_own_error_is_found_in_its_log(tmp_path: Path) -> None:
    log = tmp_path / "attempt=1.log"
    entries = [
        {"level": "info", "event": "started"},
        {
            "level": "error",
            "event": "Task failed with exception",
            "error_detail": [{"exc_type": "PortalRefused", "exc_value": "422: row 7 has no valid_time"}],
        },
    ]
    log.write_text("not JSON\n" + "\n".join(json.dumps(entry) for entry in entries))
    assert error_of(log) == "PortalRefused: 422: row 7 has no valid_time"
    assert "cannot be read" in error_of(tmp_path / "missing.log")
    log.write_text("")
    assert error_of(log) == "it left no error in its log"


def test_progress_into_a_file_is_one_plain_line_per_step() -> None:
    output = io.StringIO()
    progress = Progress(output)
    with progress.step("train"):
        progress.tick("1/2 runs")
    with pytest.raises(RuntimeError), progress.step("publish"):
        raise RuntimeError("no champion")
    lines = output.getvalue().splitlines()
    assert [line.split()[:2] for line in lines] == [["✓", "train"], ["✗", "publish"]]
    assert "1/2 runs" in lines[0]
    assert "\033" not in output.getvalue()
    assert list(progress.seconds) == ["train"]


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_on_a_terminal_stays_on_one_line_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    output = _Terminal()
    progress = Progress(output)
    with progress.step("DAGs parsed"):
        progress.tick("waiting for check_data_quality, ingest_demand, publish_forecasts, train_models")
        drawn = output.getvalue().split("\r\033[K")
    assert max(len(line) for line in drawn) < 80
    assert "waiting for check" in drawn[-1]


def test_followed_logs_show_whole_new_lines_behind_the_name_of_their_process(tmp_path: Path) -> None:
    log = tmp_path / "portal.log"
    log.write_text("yesterday\n")
    output = io.StringIO()
    follower = LogFollower(output)
    follower.skip_to_end({"portal": log})
    with log.open("a") as file:
        file.write("started\nhalf a li")
    follower.print_new_lines({"portal": log})
    assert output.getvalue() == "portal | started\n"
    with log.open("a") as file:
        file.write("ne\n")
    follower.print_new_lines({"portal": log})
    assert output.getvalue() == "portal | started\nportal | half a line\n"


def test_on_a_terminal_a_followed_line_takes_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    log = tmp_path / "scheduler.log"
    log.write_text(f"request finished               loc=access.py:130 path=/{'x' * 200}\n")
    output = _Terminal()
    LogFollower(output).print_new_lines({"scheduler": log})
    (line,) = re.sub(r"\033\[\d*m", "", output.getvalue()).splitlines()
    assert len(line) == 100
    assert line.startswith("scheduler | request finished  path=/xxx")


def test_a_followed_line_leaves_out_its_place_in_the_source_and_is_cut_when_it_is_long(tmp_path: Path) -> None:
    log = tmp_path / "scheduler.log"
    log.write_text(f"Workload finished loc=supervisor.py:2658\n{'x' * 1000}\n")
    output = io.StringIO()
    LogFollower(output).print_new_lines({"scheduler": log})
    first, second = output.getvalue().splitlines()
    assert first == "scheduler | Workload finished"
    assert len(second) < 300
    assert second.endswith("x…")


def test_serve_says_where_everything_answers_and_which_ports_it_stepped_over(tmp_path: Path) -> None:
    stack = Stack(
        home=Home(tmp_path),
        supervisor=Supervisor(tmp_path),
        credentials={"users": {"operator": "a password"}, "service_token": "a token"},
        portal_url="http://127.0.0.1:8001",
        airflow_url="http://127.0.0.1:8080",
        mail=None,
        stepped_over={"portal": (8000, 8001)},
    )
    shown = addresses(stack)
    assert "http://127.0.0.1:8001/api/docs/    token: a token" in shown
    assert "operator    a password" in shown
    assert "portal      8000 → 8001" in shown
    assert "taken" not in addresses(replace(stack, stepped_over={}))
