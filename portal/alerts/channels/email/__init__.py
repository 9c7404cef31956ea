"""Alerts by mail: what a mail says (a module per subject, `templates/`) and how it leaves (`transport`)."""

from portal.alerts.channels.email.checks import render_checks
from portal.alerts.channels.email.content import EmailContent
from portal.alerts.channels.email.decisions import render_decisions
from portal.alerts.channels.email.forecasts import render_forecasts
from portal.alerts.channels.email.ingest import render_ingest
from portal.alerts.channels.email.transport import send

__all__ = ["EmailContent", "render_checks", "render_decisions", "render_forecasts", "render_ingest", "send"]
