"""``/api/v1/retention-rules/``, ``/api/v1/retention-runs/`` and ``/api/v1/registered-artifacts/``."""

from __future__ import annotations

from typing import cast

import django_filters
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError as ModelValidationError
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from portal.core.idempotency import idempotent
from portal.core.problems import Conflict, Problem
from portal.registry.models import ModelVersion
from portal.retention import operations
from portal.retention.models import RetentionRule, RetentionRun
from portal.retention.queries import registered_artifacts
from portal.retention.serializers import (
    PipelineReportSerializer,
    RegisteredArtifactSerializer,
    RetentionRequestSerializer,
    RetentionRuleSerializer,
    RetentionRunSerializer,
)

SECONDS_PER_REQUEST = 10.0


class RetentionRuleViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[RetentionRule]):
    """How long what is kept."""

    queryset = RetentionRule.objects.order_by("pk")
    serializer_class = RetentionRuleSerializer
    permissions_by_method = {  # noqa: RUF012
        "GET": "retention.view_retentionrule",
        "PATCH": "retention.change_retentionrule",
    }

    @extend_schema(request=RetentionRuleSerializer(partial=True), responses=RetentionRuleSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change how long it keeps, or whether it is enabled; the change stays in its history."""
        rule = self.get_object()
        serializer = self.get_serializer(rule, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        try:
            changed = operations.change_rule(rule, by=cast("User", request.user), changes=serializer.validated_data)
        except ModelValidationError as error:
            raise serializers.ValidationError(error.message_dict) from error
        return Response(self.get_serializer(changed).data)


class RetentionRunFilter(django_filters.FilterSet):
    """What a list of runs can be narrowed by."""

    dry_run = django_filters.BooleanFilter()
    state = django_filters.ChoiceFilter(choices=RetentionRun.State.choices)


class RetentionRunViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[RetentionRun]):
    """Runs of the retention, newest first."""

    queryset = RetentionRun.objects.select_related("by").prefetch_related("outcomes").order_by("-started_at", "-pk")
    serializer_class = RetentionRunSerializer
    filterset_class = RetentionRunFilter
    permissions_by_method = {  # noqa: RUF012
        "GET": "retention.view_retentionrun",
        "POST": "retention.add_retentionrun",
        "PATCH": "retention.change_retentionrun",
    }

    @extend_schema(request=RetentionRequestSerializer, responses={201: RetentionRunSerializer})
    @idempotent
    def create(self, request: Request) -> Response:
        """Count what the enabled rules find. A dry run is done with that; another waits to be advanced.

        A rule that would take more than half of all its records is held, unless the request confirms it.
        """
        serializer = RetentionRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        asked = dict(serializer.validated_data)
        try:
            run = operations.begin_run(
                confirmed=asked.pop("confirm"), by=cast("User", request.user), at=timezone.now(), **asked
            )
        except operations.NotYet as refusal:
            raise Problem(str(refusal)) from refusal
        return Response(self.get_serializer(run).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=RetentionRunSerializer)
    @idempotent
    @action(detail=True, methods=["post"], permissions_by_method={"POST": "retention.add_retentionrun"})
    def advance(self, request: Request, pk: str) -> Response:
        """Delete for some seconds what the run has found; call it again while its state is *running*.

        Without an idempotency key each batch is committed by itself, and what is left comes with the next call; with
        one, all batches of the call are one transaction. 409 for a dry run.
        """
        try:
            run = operations.advance_run(
                self.get_object(), by=cast("User", request.user), at=timezone.now(), seconds=SECONDS_PER_REQUEST
            )
        except operations.NothingToDelete as refusal:
            raise Conflict(str(refusal)) from refusal
        return Response(self.get_serializer(run).data)

    @extend_schema(request=PipelineReportSerializer, responses=RetentionRunSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Note what the pipeline found and deleted in the storage of models. The same again changes nothing."""
        serializer = PipelineReportSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        try:
            run = operations.report_outcomes(
                self.get_object(), outcomes=serializer.validated_data["outcomes"], by=cast("User", request.user)
            )
        except operations.NothingToDelete as refusal:
            raise Conflict(str(refusal)) from refusal
        return Response(self.get_serializer(run).data)


class RegisteredArtifactFilter(django_filters.FilterSet):
    """What a list of artifacts can be narrowed by."""

    series = django_filters.CharFilter("series__slug")
    training_key = django_filters.CharFilter("training_key")
    status = django_filters.ChoiceFilter(choices=ModelVersion.Status.choices)


class RegisteredArtifactViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[ModelVersion]):
    """The artifacts that model versions register, in the order of registration."""

    queryset = registered_artifacts()
    serializer_class = RegisteredArtifactSerializer
    filterset_class = RegisteredArtifactFilter
    permissions_by_method = {"GET": "registry.view_modelversion"}  # noqa: RUF012
