"""Reads on what is stored outside the database."""

from __future__ import annotations

from django.db.models import Max, Q, QuerySet

from portal.registry.models import Decision, ModelVersion


def registered_artifacts() -> QuerySet[ModelVersion]:
    """Every model version in the order of registration, with `rejected_at` and without its heavy facts."""
    rejected = Max("decisions__at", filter=Q(decisions__decision=Decision.Kind.REJECT))
    return (
        ModelVersion.objects.select_related("series")
        .only("series__slug", "version", "status", "training_key", "artifact_uri")
        .annotate(rejected_at=rejected)
        .order_by("pk")
    )
