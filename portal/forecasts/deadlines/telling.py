"""Who is told of a delivery day, and told later where that fails: no publication waits for it, and none is repeated."""

from __future__ import annotations

from datetime import datetime

from portal.alerts.models import AlertRule
from portal.alerts.operations import evaluate_forecasts
from portal.forecasts.deadlines.alarms import or_logged, resolve_met_since
from portal.forecasts.deadlines.clock import Delivery
from portal.forecasts.models import DeadlineNotice
from portal.series.models import Series


def tell(series: Series, delivery: Delivery, *, failing: bool, message: str, at: datetime) -> None:
    """Fire or resolve the alerts about a delivery day, after what is untold of the series; keep it where that fails.

    To be called in the transaction that publishes or records, under the lock of the ledger.
    """
    notice = DeadlineNotice(series=series, delivery_day=delivery.day, failing=failing, message=message, at=at)
    with or_logged(f"Nobody could be told: {message}"):
        tell_untold(series, at=at)
        _evaluate(notice)
        return
    with or_logged(f"Nor could it be kept to be told later: {message}"):
        DeadlineNotice.objects.update_or_create(
            series=series, delivery_day=delivery.day, defaults={"failing": failing, "message": message, "at": at}
        )


def tell_untold(series: Series, *, at: datetime) -> None:
    """Tell what could not be told of a series so far, in its order, and what came of it since. As `tell`."""
    untold = list(DeadlineNotice.objects.filter(series=series).select_related("series").order_by("pk"))
    for notice in untold:
        _evaluate(notice)
        notice.delete()
    if untold:
        resolve_met_since(series, at=at)


def _evaluate(notice: DeadlineNotice) -> None:
    evaluate_forecasts(
        AlertRule.Signal.DEADLINE_NEAR,
        notice.series,
        failing=notice.failing,
        message=notice.message,
        at=notice.at,
        occasion=notice.delivery_day.isoformat(),
    )
