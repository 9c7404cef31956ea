"""Order, health and death of processes, with real ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from stack.home import CHECKOUT

# Run apart from pytest: a supervisor owns all children of its process.
PREAMBLE = """
import pathlib, sys, time
from stack.errors import StackError
from stack.supervisor import ProcessSpec, Supervisor
here = pathlib.Path(sys.argv[1])
supervisor = Supervisor(here)
def python(name, code, **facts):
    return ProcessSpec(name, [sys.executable, "-u", "-c", code], {"PATH": "/usr/bin:/bin"}, here, **facts)
"""


def _run(tmp_path: Path, script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PREAMBLE + script, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _error(tmp_path: Path, script: str) -> str:
    indented = "\n".join(f"    {line}" for line in script.strip().splitlines())
    return _run(
        tmp_path, f"try:\n{indented}\nexcept StackError as error:\n    print(error)\nfinally:\n    supervisor.stop()\n"
    )


def test_a_process_that_dies_is_named_with_its_last_lines_and_its_log(tmp_path: Path) -> None:
    message = _error(
        tmp_path,
        'supervisor.start(python("portal", "print(\'port 8000 is gone\'); raise SystemExit(3)", well=lambda: False))\n'
        "supervisor.wait_until_well()",
    )
    assert "portal ended with exit code 3" in message
    assert "port 8000 is gone" in message
    assert str(tmp_path / "portal.log") in message


def test_a_process_ended_by_a_signal_says_which(tmp_path: Path) -> None:
    message = _error(
        tmp_path,
        'supervisor.start(python("celery", "import os; os.kill(os.getpid(), 9)"))\n'
        "while True:\n    supervisor.check()\n    time.sleep(0.05)",
    )
    assert "celery was ended by SIGKILL" in message
    assert "(it wrote nothing)" in message


def test_a_call_that_breaks_because_its_server_died_names_the_server(tmp_path: Path) -> None:
    server = """
import os, socket, sys
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
listening.accept()
sys.exit("out of memory")
"""
    script = f"""
from stack.portal_client import PortalClient
supervisor.start(python("portal", {server!r}))
while not (port := (here / "portal.log").read_text()).endswith("\\n"):
    time.sleep(0.05)
with supervisor.naming_the_dead():
    PortalClient("http://127.0.0.1:" + port.strip(), username="a", password="b")
"""
    message = _error(tmp_path, script)
    assert message.startswith("portal ended with exit code 1")
    assert "out of memory" in message


def test_a_process_that_does_not_get_well_in_time_is_named(tmp_path: Path) -> None:
    message = _error(
        tmp_path,
        'supervisor.start(python("airflow", "import time; time.sleep(300)", well=lambda: False, start_seconds=0.5))\n'
        "supervisor.wait_until_well()",
    )
    assert "airflow was not ready after 0 s" in message or "airflow was not ready after 1 s" in message


def test_waiting_ends_as_soon_as_everything_is_well(tmp_path: Path) -> None:
    script = """
supervisor.start(python("a", "import pathlib, time; time.sleep(0.3); pathlib.Path('up').touch(); time.sleep(300)",
                        well=(here / "up").exists))
supervisor.wait_until_well()
print((here / "up").exists())
supervisor.stop()
"""
    assert _run(tmp_path, script) == "True\n"


def test_whoever_waits_is_shown_that_something_goes_on(tmp_path: Path) -> None:
    script = """
# Each goes on when it was waited for three times.
turns = []
def waiting():
    turns.append(1)
    if len(turns) == 3:
        (here / "shown").touch()
supervisor = Supervisor(here, waiting=waiting)
until_shown = '''
import os, time
while not os.path.exists("shown"):
    time.sleep(0.01)
os.remove("shown")
'''
supervisor.start(python("slow", until_shown + "open('up', 'w'); time.sleep(300)", well=(here / "up").exists))
supervisor.wait_until_well()
print(len(turns) > 2)
turns.clear()
supervisor.start(python("migrate", until_shown, does_one_thing=True))
supervisor.finish("migrate", seconds=60)
print(len(turns) > 2)
supervisor.stop()
"""
    assert _run(tmp_path, script) == "True\nTrue\n"


def test_a_step_that_fails_is_an_error_and_one_that_succeeds_is_not(tmp_path: Path) -> None:
    fine = "python('migrate', 'print(1)', does_one_thing=True)"
    assert (
        _error(tmp_path, f"supervisor.start({fine})\nsupervisor.finish('migrate', seconds=60)\nprint('went on')")
        == "went on\n"
    )
    broken = "python('migrate', 'raise SystemExit(\\'no such table\\')', does_one_thing=True)"
    message = _error(tmp_path, f"supervisor.start({broken})\nsupervisor.finish('migrate', seconds=60)")
    assert "migrate ended with exit code 1" in message
    assert "no such table" in message


def test_only_this_runs_part_of_a_log_counts(tmp_path: Path) -> None:
    (tmp_path / "celery.log").write_text("celery@yesterday ready.\n")
    script = """
supervisor.start(python("celery", "import time; time.sleep(300)"))
print(supervisor.said("celery", " ready."))
supervisor.stop()
"""
    assert _run(tmp_path, script) == "False\n"
    assert (tmp_path / "celery.log").read_text().startswith("celery@yesterday")


def test_later_stages_stop_before_earlier_ones(tmp_path: Path) -> None:
    script = '''
note = """
import pathlib, signal, sys, time
def end(*_):
    pathlib.Path('order').open('a').write('NAME ')
    sys.exit()
signal.signal(signal.SIGTERM, end)
pathlib.Path('NAME.up').touch()
time.sleep(300)
"""
for name, stage in (("database", 0), ("portal", 1)):
    supervisor.start(python(name, note.replace("NAME", name), stage=stage, well=(here / f"{name}.up").exists))
supervisor.wait_until_well()
supervisor.stop()
print((here / "order").read_text())
'''
    assert _run(tmp_path, script).split() == ["portal", "database"]
