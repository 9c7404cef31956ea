"""The champion beside a candidate: made anew from what is registered of it, and trained on the same days."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from include.errors import PipelineError
from include.portal import Portal

if TYPE_CHECKING:
    from forecasting import BacktestReport, Forecaster

_log = logging.getLogger(__name__)
Backtest = Callable[["Forecaster | None"], "BacktestReport"]
"""Runs a candidate's backtest beside a champion, or beside none."""


def backtest_beside_champion(
    portal: Portal, slug: str, *, backtest: Backtest, threads: int
) -> tuple[BacktestReport, dict[str, Any]]:
    """A candidate's backtest beside the champion that the series has now, and whom that was, as evidence.

    `champion_version` has its `id`, `version` and `kind`; None where there is none, or where it cannot be trained any
    more, which costs the candidate nothing but the comparison: `champion_error` says why then.
    """
    champion = next(iter(portal.models(slug, status="champion")), None)
    if champion is None:
        return backtest(None), {"champion_version": None}
    name = f"version {champion['version']} ({champion['kind']})"
    _log.info("%s: the champion, %s, is trained on the same days to be compared with", slug, name)
    try:
        report = backtest(_made_anew(champion, threads=threads))
    except PipelineError:
        raise
    except Exception as error:  # noqa: BLE001  # whatever the champion stumbles over; the candidate's comes again
        reason = f"{type(error).__name__}: {error}"
        report = backtest(None)
        _log.warning("%s: the champion, %s, cannot be compared with: %s", slug, name, reason)
        return report, {"champion_version": None, "champion_error": f"{name}: {reason}"}
    return report, {"champion_version": {each: champion[each] for each in ("id", "version", "kind")}}


def _made_anew(champion: dict[str, Any], *, threads: int) -> Forecaster:
    from forecasting import create_model

    return create_model(champion["kind"], **{**champion["parameters"], "threads": threads})
