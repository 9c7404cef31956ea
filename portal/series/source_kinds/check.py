"""The check of a whole source, the same on its page, in a catalog and for the API."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError

from portal.core.resolution import format_duration
from portal.core.secrets import WAY_OUT, holds_a_secret, names_a_secret, secrets_in
from portal.series.models import Series
from portal.series.source_kinds.faults import Path, in_words, sentence
from portal.series.source_kinds.fields import listed
from portal.series.source_kinds.kind import Kind, Need
from portal.series.source_kinds.kinds import KINDS
from portal.series.source_kinds.reference import meanings

_CONNECTION = re.compile(r"[\w.-]+", re.ASCII)


def check_source(*, kind: str, feeds: str, url: str, connection: str, options: Any) -> None:
    """Raise ValidationError, by field, unless a source of these facts can be read and fed to series that exist."""
    if kind not in KINDS:
        raise ValidationError({"kind": f"There is no kind {kind!r}; there are {listed(tuple(KINDS))}."})
    found = {
        "feeds": list(_faults_of_feeds(kind, feeds)),
        "url": list(_faults_of_url(kind, url)),
        "connection": list(_faults_of_connection(kind, connection)),
        "options": _faults_of_options(kind, feeds, options),
    }
    if faults := {field: messages for field, messages in found.items() if messages}:
        raise ValidationError(faults)


def _faults_of_feeds(kind: str, feeds: str) -> Iterator[str]:
    if feeds not in KINDS[kind].feeds:
        yield f"A source of kind {kind} feeds {listed(KINDS[kind].feeds)}, not “{feeds}”."


def _faults_of_url(kind: str, url: str) -> Iterator[str]:
    need = KINDS[kind].url
    if not url.strip():
        if need == Need.REQUIRED:
            yield f"A source of kind {kind} needs a url: a path below the data folder, or a whole URL."
    elif holds_a_secret(url):
        yield f"The url holds a secret; {WAY_OUT}."
    elif need == Need.REFUSED:
        yield f"A source of kind {kind} takes no url; the host of the Airflow connection says where the service is."
    elif "://" not in url and (url.startswith("/") or ".." in url.split("/")):
        yield f"{url} leaves the data folder; give a path inside it, or a whole URL such as file:///data/a.csv."
    elif not url.isprintable():
        yield "The url has a character that cannot be printed."


def _faults_of_connection(kind: str, connection: str) -> Iterator[str]:
    need = KINDS[kind].connection
    if not connection:
        if need == Need.REQUIRED:
            yield f"A source of kind {kind} needs the id of an Airflow connection, {KINDS[kind].about_connection}."
    elif _CONNECTION.fullmatch(connection) is None:
        # Without the value: what was pasted here may well be a whole address with its password.
        yield (
            "The connection is the id of an Airflow connection (letters, digits, dot, dash, underscore), and not its "
            "address."
        )
    elif need == Need.REFUSED:
        yield f"A source of kind {kind} takes no connection: it reads the portal's own series."


def _faults_of_options(kind: str, feeds: str, options: Any) -> list[str]:
    if not isinstance(options, Mapping):
        return [sentence((), options, "must be an object, {…}")]
    if secret := sorted(set(secrets_in(options))):
        return [
            f"{where} {'is a' if names_a_secret(re.split(r'[.]', where)[-1]) else 'holds a'} secret; {WAY_OUT}."
            for where in secret
        ]
    serializer = KINDS[kind].options(data=options, context={"feeds": feeds})
    if not serializer.is_valid():
        return in_words(serializer.errors, options, helps=meanings(kind))
    return list(_faults_of_series(KINDS[kind], feeds, options, serializer.validated_data))


def _faults_of_series(kind: Kind, feeds: str, options: Mapping[str, Any], checked: Mapping[str, Any]) -> Iterator[str]:
    """Of the series that valid options name: they exist, and are of the quantity and resolution that they are fed."""
    named = dict(_series_named(options))
    known = {series.slug: series for series in Series.objects.filter(slug__in=set(named.values()))}
    own = kind.resolution or checked.get("resolution")
    unknown = {path: slug for path, slug in named.items() if slug not in known}
    yield from (sentence(path, slug, "there is no series of this slug") for path, slug in unknown.items())
    for number, column in enumerate(options["columns"]):
        series = known.get(column["series"])
        if series is None:
            continue
        path: Path = ("columns", number, "series")
        if series.quantity not in (allowed := kind.quantities(column, feeds)):
            rule = f"is a series of the quantity {series.quantity}; this feeds {listed(sorted(allowed))}"
            yield sentence(path, series.slug, rule)
        elif rule := _fault_of_resolution(series.resolution, own, checked.get("resample")):
            yield sentence(path, series.slug, rule)
        for place, feeder in enumerate(column.get("feeders", ())):
            part = known.get(feeder["series"])
            if part is not None and (rule := _fault_of_feeder(part, series)):
                yield sentence(("columns", number, "feeders", place, "series"), part.slug, rule)


def _series_named(options: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    for number, column in enumerate(options["columns"]):
        yield ("columns", number, "series"), column["series"]
        for place, feeder in enumerate(column.get("feeders", ())):
            yield ("columns", number, "feeders", place, "series"), feeder["series"]


def _fault_of_resolution(wanted: timedelta, own: timedelta | None, resample: str | None) -> str:
    if own is None or own == wanted:
        return ""
    lengths = f"has intervals of {format_duration(wanted)}, the source of {format_duration(own)}"
    if (own < wanted and wanted % own) or (own > wanted and own % wanted):
        return f"{lengths}: neither is a multiple of the other"
    fitting = ("repeat",) if own > wanted else ("mean", "sum")
    return "" if resample in fitting else f"{lengths}: resample must be {listed(fitting)}"


def _fault_of_feeder(part: Series, zone: Series) -> str:
    if part.quantity != zone.quantity:
        return f"is a series of the quantity {part.quantity}, the zone {zone.slug} of {zone.quantity}"
    if zone.resolution % part.resolution:
        own, wanted = format_duration(part.resolution), format_duration(zone.resolution)
        return (
            f"has intervals of {own}, the zone {zone.slug} of {wanted}: a feeder has whole parts of those, or the same"
        )
    return ""
