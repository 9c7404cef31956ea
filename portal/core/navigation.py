"""The admin's sidebar: pages in the order of the work, each for those who may see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.urls import reverse_lazy

GROUPS: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
    (
        "Forecasts",
        (
            ("Forecast ledger", "query_stats", "forecasts.forecastrun"),
            ("Scores", "target", "forecasts.forecastscore"),
            ("Accuracy", "monitoring", "forecasts.accuracysignal"),
            ("Deadlines", "alarm", "forecasts.publicationdeadline"),
            ("Deadlines kept", "alarm_on", "forecasts.deadlinerecord"),
        ),
    ),
    (
        "Models",
        (
            ("Model versions", "model_training", "registry.modelversion"),
            ("Decisions", "gavel", "registry.decision"),
            ("Audits", "verified_user", "registry.auditoutcome"),
            ("Approval rules", "rule_settings", "registry.approvalrule"),
        ),
    ),
    (
        "Data",
        (
            ("Series", "show_chart", "series.series"),
            ("Observations", "database", "series.observation"),
            ("Weather forecasts", "partly_cloudy_day", "series.weatherforecast"),
            ("Sources", "input", "series.source"),
            ("Ingest runs", "sync_alt", "series.ingestrun"),
            ("Quarantine", "report", "series.quarantinedrow"),
        ),
    ),
    (
        "Watch",
        (
            ("Checks", "fact_check", "quality.checkrun"),
            ("Alerts", "notifications", "alerts.alert"),
            ("Alert rules", "rule", "alerts.alertrule"),
            ("Mails", "mail", "alerts.outboxmessage"),
            ("Runs asked of Airflow", "outbound", "pipeline.dagrunrequest"),
        ),
    ),
    (
        "Retention",
        (
            ("Retention rules", "auto_delete", "retention.retentionrule"),
            ("Retention runs", "delete_sweep", "retention.retentionrun"),
        ),
    ),
    ("People", (("Users", "person", "auth.user"), ("Roles", "group", "auth.group"))),
)


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """unfold's SIDEBAR callback."""
    overview = {"title": "Overview", "icon": "dashboard", "link": reverse_lazy("admin:index")}
    api = {"title": "REST API", "icon": "api", "link": reverse_lazy("api-docs")}
    groups: list[dict[str, Any]] = [{"items": [overview]}]
    for title, pages in GROUPS:
        items = [
            {
                "title": name,
                "icon": icon,
                "link": reverse_lazy(f"admin:{model.replace('.', '_')}_changelist"),
                "permission": _may_view(model),
            }
            for name, icon, model in pages
        ]
        groups.append({"title": title, "separator": True, "items": items})
    return [*groups, {"title": "Programs", "separator": True, "items": [api]}]


def _may_view(model: str) -> Callable[[HttpRequest], bool]:
    app, name = model.split(".")
    return lambda request: request.user.has_perm(f"{app}.view_{name}")
