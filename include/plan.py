"""What a run works on: batches of series or sources, each with its as_of. They cross XCom, so they are plain JSON."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from include.errors import Refusal
from include.portal import Portal
from include.run import Run
from include.times import read_time

Batch = dict[str, Any]


class NoEvent(Refusal):
    """An asset event, made by hand say, does not tell which series it is about."""


class NotALoad(Refusal):
    """A series that is asked for is no load, so there is nothing to forecast."""


def plan_sources(run: Run, *, feeds: str) -> list[Batch]:
    """Batches of sources: those that the params name, else the scheduled ones that feed demand, or weather.

    A scheduled run looks back over `ingest_days` for what came late or was corrected.
    """
    named = list(dict.fromkeys(run.params.get("sources") or []))
    sources = [run.portal.source(slug) for slug in named] if named else run.portal.scheduled_sources(feeds=feeds)
    start, end = run.params.get("start"), run.params.get("end")
    if start is None and run.interval_start is not None:
        start = (run.interval_start - run.settings.ingest_lookback).isoformat()
    return [
        {"sources": part, "as_of": run.as_of.isoformat(), "start": start, "end": end}
        for part in _parts([source["slug"] for source in sources], size=run.settings.source_batch_size)
    ]


def plan_series(run: Run, *, covariates: bool = True) -> list[Batch]:
    """Batches of load series: those that the params name, else those of the asset events, else the scheduled ones.

    An event is also about the loads that a series of it is a covariate of, unless `covariates` is False.
    """
    named = list(dict.fromkeys(run.params.get("series") or []))
    if named:
        moments = dict.fromkeys((_load(run.portal, slug) for slug in named), run.as_of)
    elif run.events:
        moments = _touched(run.portal, run.events, covariates=covariates)
    else:
        moments = dict.fromkeys((series["slug"] for series in run.portal.loads(scheduled=True)), run.as_of)
    return _batches(moments, size=run.settings.batch_size)


def _load(portal: Portal, slug: str) -> str:
    series = portal.series(slug)
    if series["quantity"] != "load":
        raise NotALoad(f"{slug} is a {series['quantity']}, not a load")
    return slug


def _touched(portal: Portal, events: Iterable[Mapping[str, Any]], *, covariates: bool) -> dict[str, datetime]:
    """The loads that the events are about, themselves or by a covariate, each with its newest as_of.

    An event may give the times of single series: `as_of_by_series`.
    """
    newest: dict[str, datetime] = {}
    for event in events:
        slugs, as_of = event.get("series"), event.get("as_of")
        if not isinstance(slugs, list) or as_of is None:
            raise NoEvent(
                f"The asset event that started this run holds {dict(event)}; it needs series, a list of slugs, and "
                "as_of. Made by hand, it is better left out: trigger this DAG with the series instead"
            )
        known_at = read_time(as_of, name="as_of of the asset event")
        own = event.get("as_of_by_series") or {}
        for slug in slugs:
            moment = read_time(own[slug], name="as_of of the asset event") if slug in own else known_at
            newest[slug] = max(moment, newest.get(slug, moment))
    touched: dict[str, datetime] = {}
    for series in portal.loads():
        others = {each["series"] for each in series["covariates"]} if covariates else set()
        about = {series["slug"], *others} & set(newest)
        if about:
            touched[series["slug"]] = max(newest[slug] for slug in about)
    return touched


def _batches(moments: Mapping[str, datetime], *, size: int) -> list[Batch]:
    by_moment: dict[datetime, list[str]] = defaultdict(list)
    for slug, as_of in moments.items():
        by_moment[as_of].append(slug)
    return [
        {"series": part, "as_of": as_of.isoformat()}
        for as_of, slugs in sorted(by_moment.items())
        for part in _parts(sorted(slugs), size=size)
    ]


def _parts(slugs: Sequence[str], *, size: int) -> list[list[str]]:
    return [list(slugs[first : first + size]) for first in range(0, len(slugs), size)]
