"""The catalog: series and sources from one JSON file, in the form that the API gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from portal.series.models import Covariate, Series, Source
from portal.series.serializers import SeriesSerializer, SourceSerializer


class CatalogError(Exception):
    """The catalog cannot be loaded; the message names the entry and what is wrong with it."""


_OTHERS = ("covariates", "external_forecast", "champion", "next_deadline")
"""Fields of a series that speak of other series, or of models."""


def load_catalog(catalog: Mapping[str, Any]) -> list[str]:
    """Make the series and sources of `catalog` be as it says, all or none; others are left alone.

    Returns what was made or changed, in words. Raises CatalogError.
    """
    if not isinstance(catalog, Mapping) or set(catalog) - {"series", "sources"}:
        raise CatalogError('a catalog is {"series": [...], "sources": [...]}')
    changes: list[str] = []
    with transaction.atomic():
        entries = _entries(catalog, "series")
        for entry in entries:
            plain = {name: value for name, value in entry.items() if name not in _OTHERS}
            _apply("series", Series, SeriesSerializer, plain, changes)
        # Once all series are there: they refer to each other in any order.
        for entry in entries:
            _apply_covariates(entry, changes)
            if "external_forecast" in entry:
                _apply("series", Series, SeriesSerializer, entry, changes, only=("external_forecast",))
        for entry in _entries(catalog, "sources"):
            _apply("source", Source, SourceSerializer, entry, changes)
    return changes


def _entries(catalog: Mapping[str, Any], kind: str) -> Sequence[dict[str, Any]]:
    entries = catalog.get(kind, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) and entry.get("slug") for entry in entries):
        raise CatalogError(f"{kind} must be a list of objects, each with a slug")
    return entries


def _apply(
    kind: str,
    model: Any,
    serializer_class: Any,
    entry: dict[str, Any],
    changes: list[str],
    *,
    only: Sequence[str] = (),
) -> None:
    there = model.objects.select_for_update(no_key=True).filter(slug=entry["slug"]).first()
    facts = {name: entry[name] for name in only} or entry
    serializer = serializer_class(there, data=facts, partial=bool(only))
    if unknown := set(entry) - set(serializer.fields):
        raise CatalogError(f"{kind} {entry['slug']}: there is no field {', '.join(sorted(unknown))}")
    if not serializer.is_valid():
        raise CatalogError(f"{kind} {entry['slug']}: {_in_words(serializer.errors)}")
    facts = serializer.validated_data
    if there is None:
        model.objects.create(**facts)
        changes.append(f"made the {kind} {entry['slug']}")
        return
    changed = sorted(name for name, value in facts.items() if getattr(there, name) != value)
    if changed:
        for name in changed:
            setattr(there, name, facts[name])
        there.save()
        changes.append(f"changed {', '.join(changed)} of the {kind} {entry['slug']}")


def _apply_covariates(entry: dict[str, Any], changes: list[str]) -> None:
    series = Series.objects.get(slug=entry["slug"])
    serializer = SeriesSerializer(series, data={"covariates": entry.get("covariates", [])}, partial=True)
    if not serializer.is_valid():
        raise CatalogError(f"series {series}: {_in_words(serializer.errors)}")
    wanted = serializer.validated_data["covariates"]
    there = {(covariate.name, covariate.series_id): covariate.weight for covariate in series.covariates.all()}
    if there == {(covariate["name"], covariate["series"].pk): covariate["weight"] for covariate in wanted}:
        return
    series.covariates.all().delete()
    Covariate.objects.bulk_create(Covariate(of=series, **covariate) for covariate in wanted)
    changes.append(f"set the covariates of the series {series}")


def _in_words(errors: Any) -> str:
    return "; ".join(f"{name}: {_message(messages)}" for name, messages in errors.items())


def _message(messages: Any) -> str:
    plain = isinstance(messages, list) and all(isinstance(message, str) for message in messages)
    return " ".join(messages) if plain else str(messages)
