"""Who PostgreSQL runs as: it refuses root, so root lends it an unprivileged account and a place it can reach."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from stack.errors import StackError

CANDIDATES = ("nobody", "daemon")
SHELTERS = (Path("/var/lib"), Path("/var/tmp"))  # noqa: S108 - folders of our own are made inside, owned and closed


@dataclass(frozen=True)
class Account:
    """An account for a child process; ``uid`` None means our own."""

    uid: int | None = None
    gid: int | None = None


def choose_account() -> Account:
    """Our own account, or for root the first unprivileged one that this machine (or container) can switch to."""
    if os.geteuid() != 0:
        return Account()
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        account = Account(entry.pw_uid, entry.pw_gid)
        trial = subprocess.run(["/bin/true"], user=account.uid, group=account.gid, extra_groups=[], check=False)
        if trial.returncode == 0:
            return account
    raise StackError(
        f"PostgreSQL refuses to run as root and none of the accounts {', '.join(CANDIDATES)} can be used here; "
        "run as an ordinary user, or give a server with DATABASE_URL"
    )


def can_reach(path: Path, account: Account) -> bool:
    """True when the account may enter every folder on the way to ``path``."""
    if account.uid is None:
        return True
    for folder in path.resolve().parents:
        facts = folder.stat()
        if facts.st_uid == account.uid:
            entered = facts.st_mode & stat.S_IXUSR
        elif facts.st_gid == account.gid:
            entered = facts.st_mode & stat.S_IXGRP
        else:
            entered = facts.st_mode & stat.S_IXOTH
        if not entered:
            return False
    return True


def shelter(for_path: Path, account: Account) -> Path:
    """A lasting folder outside of ``for_path`` that the account can reach, always the same for the same path."""
    for folder in shelters_of(for_path):
        parent = folder.parent
        if parent.is_dir() and os.access(parent, os.W_OK) and can_reach(folder, account):
            folder.mkdir(mode=0o755, exist_ok=True)
            if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                raise StackError(f"{folder} belongs to someone else; remove it")
            (folder / "made-for").write_text(f"{for_path.resolve()}\n")
            return folder
    raise StackError(
        f"PostgreSQL's account cannot reach {for_path}, nor any of {', '.join(map(str, SHELTERS))}; set GRIDCAST_HOME"
    )


def shelters_of(path: Path) -> list[Path]:
    """Where a shelter for ``path`` would be."""
    name = "gridcast-" + hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    return [parent / name for parent in SHELTERS]


def remove_shelters(path: Path) -> None:
    """Remove the shelters that were made for ``path``."""
    for folder in shelters_of(path):
        if not folder.is_symlink() and folder.is_dir() and folder.stat().st_uid == os.geteuid():
            shutil.rmtree(folder)


def copy_once(source: Path, target: Path) -> Path:
    """A copy of a folder where another account can read it; made again when the source is another one."""
    mark = target / "copied-from"
    identity = f"{source.resolve()} {source.stat().st_mtime_ns}\n"
    if mark.exists() and mark.read_text() == identity:
        return target
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, symlinks=True)
    for path in [target, *target.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() or path.stat().st_mode & 0o100 else 0o044))
    mark.write_text(identity)
    return target
