"""Recording check runs and storing their reports."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.db import transaction

from portal.alerts.operations import evaluate_check_run
from portal.core.permissions import require
from portal.quality.models import REPORT_NAME, CheckReport, CheckResult, CheckRun
from portal.series.models import Series

Scalar: TypeAlias = float | int | str | bool | None
MAX_REPORT_BYTES = 32 * 1024 * 1024
"""A Deepchecks page carries its plotting library and weighs about 5 MB; a profile less."""


class QualityError(Exception):
    """A quality operation that was refused; the message says why and is fit to be shown."""


class ReportRefused(QualityError):
    """A report with a name or a size that is not taken."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check found, as reported by the pipeline."""

    engine: str
    name: str
    status: str
    severity: str
    value: Scalar = None
    threshold: Scalar = None
    message: str = ""


def derive_status(findings: Sequence[Finding]) -> CheckRun.Status:
    """The status of a run: failed if a fatal check failed or errored, warned if any other did, else passed."""
    bad = [f for f in findings if f.status in (CheckResult.Status.FAILED, CheckResult.Status.ERROR)]
    if any(f.severity == CheckResult.Severity.FATAL for f in bad):
        return CheckRun.Status.FAILED
    return CheckRun.Status.WARNED if bad else CheckRun.Status.PASSED


def record_check_run(
    series: Series,
    *,
    stage: str,
    period_start: datetime,
    period_end: datetime,
    as_of: datetime,
    findings: Sequence[Finding],
    airflow: Mapping[str, str],
    by: User,
    at: datetime,
) -> CheckRun:
    """Store a check run with its results and let the alert rules see it, in one transaction.

    The period is half-open; all times are aware. `at` is when the portal was told. Raises NotPermitted.
    """
    require(by, "quality.add_checkrun", doing="record check runs")
    with transaction.atomic():
        run = CheckRun.objects.create(
            series=series,
            stage=stage,
            period_start=period_start,
            period_end=period_end,
            as_of=as_of,
            airflow=dict(airflow),
            status=derive_status(findings),
        )
        CheckResult.objects.bulk_create(
            CheckResult(
                run=run,
                position=position,
                engine=finding.engine,
                name=finding.name,
                status=finding.status,
                severity=finding.severity,
                value=finding.value,
                threshold=finding.threshold,
                message=finding.message,
            )
            for position, finding in enumerate(findings, start=1)
        )
        evaluate_check_run(run, at=at)
        return run


def store_report(run: CheckRun, *, name: str, content: bytes, by: User) -> tuple[CheckReport, bool]:
    """Store one report or profile of a run; the same bytes again change nothing, other bytes replace the file.

    Returns the report and whether it is new. Raises NotPermitted, ReportRefused.
    """
    require(by, "quality.add_checkreport", doing="store reports")
    try:
        REPORT_NAME(name)
    except ValidationError as error:
        raise ReportRefused(f"{name!r} is no name for a report: {error.messages[0]}.") from error
    if not content:
        raise ReportRefused("The report is empty.")
    if len(content) > MAX_REPORT_BYTES:
        raise ReportRefused(f"The report has {len(content)} bytes; at most {MAX_REPORT_BYTES} are taken.")
    digest = hashlib.sha256(content).hexdigest()
    with transaction.atomic():
        CheckRun.objects.select_for_update(no_key=True).get(pk=run.pk)
        report = CheckReport.objects.filter(run=run, name=name).first()
        if report is not None and report.sha256 == digest:
            return report, False
        new = report is None
        report = report or CheckReport(run=run, name=name)
        replaced = report.file.name
        report.file.save(name, ContentFile(content), save=False)
        report.size, report.sha256 = len(content), digest
        report.save()
        if replaced:
            storage = report.file.storage
            transaction.on_commit(lambda: storage.delete(replaced))
        return report, new
