"""Runs of DAGs that the portal asks Airflow for: an outbox, written with the decision that they follow from."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from portal.core.models import OutboxEntry

RUN_ID_PREFIX = "portal__"
"""Of the runs that the portal asks for; the DAG and what the run follows from come after it."""


class DagRunRequest(OutboxEntry):
    """One run of a DAG that Airflow is asked for. Its run id is fixed here, so that asking twice starts one run."""

    dag_id = models.CharField(max_length=250)
    run_id = models.CharField(max_length=250, unique=True)
    conf = models.JSONField(default=dict, blank=True, help_text="The params of the run")
    reason = models.TextField(help_text="What it follows from")
    series = models.ForeignKey(
        "series.Series", on_delete=models.PROTECT, null=True, blank=True, related_name="dag_run_requests"
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty: the portal itself",
    )
    requested_at = models.DateTimeField()
    remark = models.TextField(blank=True, help_text="What Airflow said when it took it")

    class Meta(OutboxEntry.Meta):
        ordering = ("-requested_at", "-pk")
        verbose_name = "run asked of Airflow"
        verbose_name_plural = "runs asked of Airflow"

    def __str__(self) -> str:
        return f"{self.dag_id} {self.run_id}"

    @property
    def airflow(self) -> dict[str, str]:
        """The run as links name it; empty until Airflow has taken it."""
        return {"dag_id": self.dag_id, "run_id": self.run_id} if self.sent_at is not None else {}
