"""What can go wrong in the pipeline. A `Refusal` stays one however often it is tried; other errors may pass."""

from __future__ import annotations

from collections.abc import Sequence


class PipelineError(Exception):
    """The root of this package's errors."""


class Refusal(PipelineError):
    """Trying again with the same input gives the same answer."""


class SourceError(Refusal):
    """A source as a whole cannot be read: a column is missing, a file is cut, a zone is not declared."""


class SourceUnavailable(PipelineError):
    """A source does not answer, or asks to come back later; another try may do."""


class NothingKnown(Refusal):
    """A series has no observation that was known at the time asked for."""


class TrainingHeld(Refusal):
    """The newest check run failed; nothing is trained on such data."""


class ChecksFailed(Refusal):
    """A fatal check failed; its results are stored in the portal."""


class NothingToDo(PipelineError):
    """There is nothing to work on; the task is skipped, not failed."""


class NothingToPublish(PipelineError):
    """Every rung of the fallback ladder failed."""


class BadArtifact(PipelineError):
    """An artifact is missing, not what was registered, or cannot be written."""


class StudyBusy(PipelineError):
    """Another process still searches the hyper-parameters of the same training, such as an earlier try of the task."""


class BatchFailed(PipelineError):
    """Some series of a batch failed; the others are done. Names each series with its error."""


class BatchRefused(Refusal):
    """As `BatchFailed`, where every failure is a refusal."""


class LibraryRefused(Refusal):
    """The forecasting library refused data or settings, in its own words."""


class Stumbled(PipelineError):
    """An error that nobody foresaw, most likely a defect of ours; the message names its kind."""


def raise_failures(failures: Sequence[tuple[str, PipelineError]]) -> None:
    """Raise one error for all series that failed, after the others are done.

    Raises:
        BatchRefused: all of them are refusals.
        BatchFailed: at least one may pass.
        PipelineError: the only failure itself.
    """
    if not failures:
        return
    if len(failures) == 1:
        raise failures[0][1]
    text = "; ".join(f"{series}: {error}" for series, error in failures)
    kind = BatchRefused if all(isinstance(error, Refusal) for _, error in failures) else BatchFailed
    raise kind(f"{len(failures)} series failed: {text}")
