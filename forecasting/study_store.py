"""Where an Optuna study is kept while it runs: in memory, or in a journal that survives a kill at any point.

The journal is Optuna's own (JSON lines, appended and synced), so that its tools read it. Two things are added: one
process at a time works on a study, held by a lock that ends with the process; and a line that a kill cut off is removed
before the next is written behind it.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from forecasting.errors import ArtifactError, SettingsError, StudyBusyError

if TYPE_CHECKING:
    import optuna


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Keep Optuna from writing its own lines to standard error; the caller's log has the trials."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


@contextmanager
def stored_study(name: str, *, storage: str | Path | None) -> "Iterator[optuna.Study]":
    """Open a study that minimises, from where an earlier process left it, if the folder `storage` has it.

    Raises:
        SettingsError: the folder cannot be written to.
        StudyBusyError: another process works on this study.
        ArtifactError: the journal is damaged.
    """
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    if storage is None:
        yield optuna.create_study(study_name=name)
        return
    path = Path(storage) / f"{name}.journal"
    with _locked(path) as descriptor:
        _cut_torn_line(descriptor)
        # Optuna's own lock, which guards single lines, outlives a kill; whoever holds ours may remove it.
        path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
        try:
            journal = JournalStorage(JournalFileBackend(str(path)))
            study = optuna.create_study(study_name=name, storage=journal, load_if_exists=True)
        except Exception as error:
            # A line of another make may break the journal's reader in any way.
            raise ArtifactError(f"{path} is no journal of a study ({error}); remove it to begin anew") from error
        yield study


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        raise SettingsError(f"the study cannot be kept in {path.parent}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StudyBusyError(f"another process works on the study {path}; wait for it to end") from error
        yield descriptor
    finally:
        os.close(descriptor)


def _cut_torn_line(descriptor: int) -> None:
    size = os.fstat(descriptor).st_size
    content = os.pread(descriptor, size, 0)
    whole = content.rfind(b"\n") + 1
    if whole < size:
        os.ftruncate(descriptor, whole)
        os.fsync(descriptor)
