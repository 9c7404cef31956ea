"""Who may do what: the roles, as data. ``bootstrap`` makes the groups hold exactly these permissions."""

from __future__ import annotations

from collections.abc import Mapping

READ = (
    "alerts.view_alert",
    "alerts.view_alertrule",
    "alerts.view_outboxmessage",
    "forecasts.view_accuracysignal",
    "forecasts.view_deadlinerecord",
    "forecasts.view_forecastrun",
    "forecasts.view_forecastscore",
    "forecasts.view_publicationdeadline",
    "pipeline.view_dagrunrequest",
    "quality.view_checkreport",
    "quality.view_checkresult",
    "quality.view_checkrun",
    "registry.view_approvalrule",
    "registry.view_auditoutcome",
    "registry.view_decision",
    "registry.view_modelversion",
    "retention.view_retentionoutcome",
    "retention.view_retentionrule",
    "retention.view_retentionrun",
    "series.view_covariate",
    "series.view_ingestrun",
    "series.view_observation",
    "series.view_quarantinedrow",
    "series.view_series",
    "series.view_source",
    "series.view_weatherforecast",
)
"""What everybody with a login may look at."""

ROLES: Mapping[str, tuple[str, ...]] = {
    "forecaster": (*READ, "forecasts.override_forecastrun"),
    "approver": (
        *READ,
        "registry.approve_modelversion",
        "registry.reject_modelversion",
        "registry.rollback_modelversion",
    ),
    "operator": (
        *READ,
        "alerts.acknowledge_alert",
        "alerts.add_alertrule",
        "alerts.change_alertrule",
        "alerts.delete_alertrule",
        "forecasts.add_publicationdeadline",
        "forecasts.change_publicationdeadline",
        "forecasts.delete_publicationdeadline",
        "pipeline.change_dagrunrequest",
        "retention.add_retentionrun",
        "retention.change_retentionrule",
    ),
    "data_engineer": (
        *READ,
        "series.add_covariate",
        "series.change_covariate",
        "series.delete_covariate",
        "series.add_series",
        "series.change_series",
        "series.add_source",
        "series.change_source",
        "series.change_quarantinedrow",
    ),
    "service": (
        *READ,
        "forecasts.add_accuracysignal",
        "forecasts.add_forecastrun",
        "forecasts.add_forecastscore",
        "quality.add_checkreport",
        "quality.add_checkrun",
        "registry.add_modelversion",
        "retention.add_retentionrun",
        "retention.change_retentionrun",
        "series.add_ingestrun",
        "series.add_observation",
        "series.add_quarantinedrow",
        "series.add_weatherforecast",
        "series.change_ingestrun",
    ),
}

PEOPLE: Mapping[str, str] = {"forecaster": "forecaster", "approver": "approver", "operator": "operator"}
"""Username → role of the people that ``bootstrap`` makes."""

SUPERUSER = "admin"
SERVICE_ACCOUNT = "airflow"
SERVICE_ROLE = "service"
