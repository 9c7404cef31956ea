"""The embedded PostgreSQL, started, killed and started again."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from stack.errors import StackError
from stack.home import CHECKOUT
from stack.ports import Ports
from stack.postgres import EmbeddedPostgres, answers, ensure_database, sibling
from stack.service_user import Account, can_reach, remove_shelters, shelters_of

pytestmark = pytest.mark.skipif(
    not (CHECKOUT / ".venv-services").exists(), reason="the embedded servers are not installed; make test installs them"
)
PASSWORD = "quote'd and \\ escaped @/:"


class Server:
    """A server under test, run as the supervisor would, without one."""

    def __init__(self, home: Path, *, ephemeral: bool = True) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.ports = Ports({}, {"postgres": 27432})
        self.postgres = EmbeddedPostgres.at(
            home, port=self.ports.choose("postgres"), password=PASSWORD, ephemeral=ephemeral
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.postgres.prepare()
        spec = self.postgres.spec({"PATH": os.defpath})
        self.process = subprocess.Popen(
            spec.command,
            env=dict(spec.environment),
            cwd=spec.directory,
            user=spec.account.uid,
            group=spec.account.gid,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 120
        while not spec.well():
            assert self.process.poll() is None, "PostgreSQL ended"
            assert time.monotonic() < deadline, "PostgreSQL does not answer"
            time.sleep(0.1)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait()
        self.ports.release()


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that PostgreSQL's account can pass, whoever runs the tests.

    Not pytest's: another session of pytest closes its folder to others in the middle of this one.
    """
    with tempfile.TemporaryDirectory(prefix="gridcast-test-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder) / "home"
        remove_shelters(Path(folder) / "home")


def _rows(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def _works(pid: int) -> bool:
    """True when the process lives; one that has ended and is not collected yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _wait_until_it_works_hard(pid: int) -> None:
    """A backend that has not begun with its query yet would notice at once that its server has gone."""
    ticks = os.sysconf("SC_CLK_TCK")
    deadline = time.monotonic() + 120
    while int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11]) < 0.3 * ticks:
        assert time.monotonic() < deadline, "the query does not run"
        time.sleep(0.1)


def test_a_server_killed_outright_comes_back_with_its_data(place: Path) -> None:
    server = Server(place, ephemeral=False)
    try:
        server.start()
        ensure_database(server.postgres.url("gridcast"))
        _rows(server.postgres.url("gridcast"), "CREATE TABLE kept AS SELECT 7 AS value")
        server.kill()
        assert (server.postgres.data / "postmaster.pid").exists()
        server.start()
        assert _rows(server.postgres.url("gridcast"), "SELECT value FROM kept") == [(7,)]
    finally:
        server.close()


def test_a_server_that_outlived_its_supervisor_is_ended_before_the_next_starts(place: Path) -> None:
    server = Server(place)
    try:
        server.start()
        orphan = server.process
        assert orphan is not None
        server.start()
        assert orphan.wait(timeout=60) == 0
        assert answers(server.postgres.url("postgres"))
    finally:
        server.close()


def test_a_busy_backend_that_outlived_its_server_is_ended_before_the_next_starts(place: Path) -> None:
    server = Server(place)
    try:
        server.start()
        assert server.process is not None
        with contextlib.closing(psycopg.connect(server.postgres.url("postgres"), autocommit=True)) as busy:
            backend = busy.info.backend_pid
            busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 10000000000) AS a(b) WHERE b % 7 = 8")
            _wait_until_it_works_hard(backend)
            server.kill()
            time.sleep(0.5)
            assert _works(backend)
            server.postgres.prepare()
            assert not _works(backend)
    finally:
        server.close()


def test_a_pid_file_naming_a_living_stranger_is_not_believed(place: Path) -> None:
    server = Server(place)
    try:
        server.start()
        server.kill()
        pid_file = server.postgres.data / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
        pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
        server.start()
        assert answers(server.postgres.url("postgres"))
    finally:
        server.close()


def test_an_initialisation_cut_short_is_done_again(place: Path) -> None:
    server = Server(place)
    unfinished = server.postgres.data.with_name("pgdata.new")
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    try:
        server.start()
        assert answers(server.postgres.url("postgres"))
        assert not unfinished.exists()
    finally:
        server.close()


def test_data_of_another_password_is_named_at_once_and_not_waited_for(place: Path) -> None:
    server = Server(place)
    try:
        server.start()
        server.kill()
        server.postgres = replace(server.postgres, password="the one of a new secrets.json")
        with pytest.raises(StackError, match=r"made with another password than the one in secrets\.json.*make clean"):
            server.start()
    finally:
        server.close()


def test_a_folder_that_is_no_data_of_postgresql_is_left_alone(place: Path) -> None:
    server = Server(place)
    try:
        server.start()
        server.kill()
        (server.postgres.data / "PG_VERSION").unlink()
        with pytest.raises(StackError, match=r"pgdata has no PG_VERSION.*make clean"):
            server.start()
        assert (server.postgres.data / "base").exists()
    finally:
        server.close()


def test_nobody_gets_in_without_the_password(place: Path) -> None:
    server = Server(place)
    try:
        server.start()
        url = server.postgres.url("postgres")
        user, _, address = url.partition("@127")
        assert answers(url)
        assert not answers(f"{user.rpartition(':')[0]}:wrong@127{address}")
    finally:
        server.close()


def test_a_path_longer_than_a_unix_socket_may_be_works(place: Path) -> None:
    server = Server(place / ("d" * 60) / ("e" * 60))
    try:
        server.start()
        assert answers(server.postgres.url("postgres"))
    finally:
        server.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's folders can be out of the account's reach")
def test_roots_private_folder_keeps_its_data_in_a_shelter(place: Path) -> None:
    private = place / "private"
    private.mkdir(parents=True)
    private.chmod(0o700)
    home = private / "home"
    server = Server(home)
    try:
        server.start()
        assert answers(server.postgres.url("postgres"))
        assert server.postgres.data.parent in shelters_of(home)
    finally:
        server.close()
        remove_shelters(home)
    assert not any(folder.exists() for folder in shelters_of(home))


def test_an_account_reaches_what_the_folders_on_the_way_let_it(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    stranger = Account(uid=54321, gid=54321)
    for folder in inner.parents:
        if folder.stat().st_uid == os.geteuid() and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o001)
    assert can_reach(inner / "c", stranger) == can_reach(inner, stranger)
    (tmp_path / "a").chmod(0o700)
    assert not can_reach(inner, stranger)
    assert can_reach(inner, Account())


def test_a_missing_database_is_created_beside_the_one_that_is_named() -> None:
    url = sibling(os.environ["DATABASE_URL"], "_stack_test")
    server = sibling(os.environ["DATABASE_URL"], "")
    name = url.rpartition("/")[2]
    ensure_database(server)
    _rows(server, f'DROP DATABASE IF EXISTS "{name}"')
    try:
        assert not answers(url)
        ensure_database(url)
        ensure_database(url)
        assert answers(url)
    finally:
        _rows(server, f'DROP DATABASE IF EXISTS "{name}"')


def test_a_server_that_does_not_answer_is_named_without_its_password() -> None:
    with pytest.raises(StackError) as refused:
        ensure_database("postgresql://someone:secret@127.0.0.1:1/gridcast")
    assert "127.0.0.1:1" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_binaries_are_found_where_they_were_installed() -> None:
    found = shutil.which("postgres", path=str(EmbeddedPostgres.at(CHECKOUT, port=1, password="").binaries))
    assert found is not None
