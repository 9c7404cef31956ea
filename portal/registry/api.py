"""``/api/v1/models/``: register, look, decide. ``decisions/``, ``decision-audits/``, ``approval-rules/``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import django_filters
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from portal.core.idempotency import idempotent
from portal.core.problems import Conflict, Problem
from portal.registry import operations
from portal.registry.models import ApprovalRule, AuditOutcome, Decision, ModelVersion
from portal.registry.serializers import (
    ApprovalRuleSerializer,
    AuditOutcomeSerializer,
    CandidateSerializer,
    ChainSerializer,
    ModelVersionSerializer,
    ReasonSerializer,
    RollbackSerializer,
    RuleChangeSerializer,
)


class ModelVersionFilter(django_filters.FilterSet):
    """What a list of models can be narrowed by."""

    series = django_filters.CharFilter("series__slug")
    status = django_filters.ChoiceFilter(choices=ModelVersion.Status.choices)
    kind = django_filters.CharFilter("kind")
    training_key = django_filters.CharFilter("training_key")


class ModelVersionViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[ModelVersion]):
    """Versions of models, newest first in each series, with their evidence and their decisions."""

    queryset = (
        ModelVersion.objects.select_related("series", "trained_by", "approved_by")
        .prefetch_related("decisions__by")
        .order_by("series__slug", "-version")
    )
    serializer_class = ModelVersionSerializer
    filterset_class = ModelVersionFilter
    permissions_by_method = {  # noqa: RUF012  # as views have it
        "GET": "registry.view_modelversion",
        "POST": "registry.add_modelversion",
    }

    def get_queryset(self) -> QuerySet[ModelVersion]:
        return super().get_queryset()

    @extend_schema(request=CandidateSerializer, responses={201: ModelVersionSerializer, 200: ModelVersionSerializer})
    @idempotent
    def create(self, request: Request) -> Response:
        """Register a candidate: 201, or 200 with the registered one if its series has the training key already.

        It comes back as the champion where the approval rule of its series let it through.
        """
        serializer = CandidateSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        facts = dict(serializer.validated_data)
        series = facts.pop("series")
        model, new = operations.register_candidate(
            series, training=operations.Training(**facts), by=cast("User", request.user)
        )
        return self._answer(model, status.HTTP_201_CREATED if new else status.HTTP_200_OK)

    @extend_schema(request=ReasonSerializer, responses=ModelVersionSerializer)
    @idempotent
    @action(detail=True, methods=["post"], permissions_by_method={"POST": "registry.approve_modelversion"})
    def approve(self, request: Request, pk: str) -> Response:
        """Make a candidate the champion. 403 for its trainer or without the permission, 409 if it is decided."""
        return self._decide(request, operations.approve_model)

    @extend_schema(request=ReasonSerializer, responses=ModelVersionSerializer)
    @idempotent
    @action(detail=True, methods=["post"], permissions_by_method={"POST": "registry.reject_modelversion"})
    def reject(self, request: Request, pk: str) -> Response:
        """Reject a candidate. 403 without the permission, 409 if it is decided."""
        return self._decide(request, operations.reject_model)

    @extend_schema(request=RollbackSerializer, responses=ModelVersionSerializer)
    @idempotent
    @action(detail=True, methods=["post"], permissions_by_method={"POST": "registry.rollback_modelversion"})
    def rollback(self, request: Request, pk: str) -> Response:
        """Put an earlier champion in the place of this one; the answer is that one.

        403 for who trained it or without the permission, 409 if this is no champion (any more) or none came before it.
        """
        return self._decide(request, operations.roll_back, RollbackSerializer)

    def _decide(
        self,
        request: Request,
        operation: Callable[..., ModelVersion],
        asked: type[ReasonSerializer] = ReasonSerializer,
    ) -> Response:
        model = self.get_object()
        serializer = asked(data=request.data)
        serializer.is_valid(raise_exception=True)
        try:
            decided = operation(model, by=cast("User", request.user), at=timezone.now(), **serializer.validated_data)
        except operations.SelfApprovalRefused as refusal:
            raise Problem(str(refusal), status=status.HTTP_403_FORBIDDEN) from refusal
        except (operations.AlreadyDecided, operations.NoEarlierChampion) as refusal:
            raise Conflict(str(refusal)) from refusal
        return self._answer(decided, status.HTTP_200_OK)

    def _answer(self, model: ModelVersion, code: int) -> Response:
        return Response(self.get_serializer(self.get_queryset().get(pk=model.pk)).data, status=code)


class DecisionFilter(django_filters.FilterSet):
    """What the chain can be narrowed by."""

    series = django_filters.CharFilter("model__series__slug")
    model = django_filters.NumberFilter("model_id")


class DecisionViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[Decision]):
    """Decisions about models in their order, each bound to the one before by its SHA-256."""

    queryset = (
        Decision.objects.select_related("model__series", "by")
        .defer("model__evidence", "model__parameters")
        .order_by("number")
    )
    serializer_class = ChainSerializer
    filterset_class = DecisionFilter
    permissions_by_method = {"GET": "registry.view_decision"}  # noqa: RUF012


class AuditFilter(django_filters.FilterSet):
    """What the audits can be narrowed by."""

    sound = django_filters.BooleanFilter("sound")


class AuditViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[AuditOutcome]):
    """What the daily audits of the decisions found, newest first."""

    queryset = AuditOutcome.objects.order_by("-at", "-pk")
    serializer_class = AuditOutcomeSerializer
    filterset_class = AuditFilter
    permissions_by_method = {"GET": "registry.view_auditoutcome"}  # noqa: RUF012


class ApprovalRuleViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[ApprovalRule]):
    """Rules by which candidates are approved without asking. Who sets one is who it approves in the name of."""

    queryset = ApprovalRule.objects.select_related("series", "set_by").order_by("series__slug")
    serializer_class = ApprovalRuleSerializer
    permissions_by_method = {  # noqa: RUF012
        "GET": "registry.view_approvalrule",
        "POST": "registry.approve_modelversion",
        "PATCH": "registry.approve_modelversion",
    }

    @extend_schema(request=ApprovalRuleSerializer, responses={201: ApprovalRuleSerializer})
    @idempotent
    def create(self, request: Request) -> Response:
        """Set the rule of a series that has none."""
        serializer = ApprovalRuleSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        asked = {"enabled": False, **serializer.validated_data}
        return self._set(request, asked.pop("series"), asked, status.HTTP_201_CREATED)

    @extend_schema(request=RuleChangeSerializer, responses=ApprovalRuleSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change a rule, for a reason; the change stays in its history, and the rule is in your name from then on."""
        rule = self.get_object()
        serializer = RuleChangeSerializer(rule, data=request.data)
        serializer.is_valid(raise_exception=True)
        asked = {"enabled": rule.enabled, "margin": rule.margin, **serializer.validated_data}
        return self._set(request, rule.series, asked, status.HTTP_200_OK)

    def _set(self, request: Request, series: Any, asked: dict[str, Any], code: int) -> Response:
        rule = operations.set_approval_rule(series, by=cast("User", request.user), at=timezone.now(), **asked)
        return Response(ApprovalRuleSerializer(rule).data, status=code)
