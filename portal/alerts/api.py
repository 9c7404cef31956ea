"""``/api/v1/alert-rules/`` and ``/api/v1/alerts/``."""

from __future__ import annotations

from typing import cast

import django_filters
from django.contrib.auth.models import User
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from portal.alerts import operations
from portal.alerts.models import Alert, AlertRule
from portal.alerts.serializers import AlertRuleSerializer, AlertSerializer
from portal.core.idempotency import idempotent
from portal.core.problems import Conflict


class AlertRuleViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[AlertRule]):
    """Alert rules. They are made in the admin and changed there or here."""

    queryset = AlertRule.objects.select_related("series", "source").order_by("name")
    serializer_class = AlertRuleSerializer
    permissions_by_method = {"GET": "alerts.view_alertrule", "PATCH": "alerts.change_alertrule"}  # noqa: RUF012

    @extend_schema(request=AlertRuleSerializer(partial=True), responses=AlertRuleSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change some fields of a rule; the change stays in its history."""
        rule = self.get_object()
        serializer = self.get_serializer(rule, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        changed = operations.change_rule(rule, by=cast("User", request.user), changes=serializer.validated_data)
        return Response(self.get_serializer(changed).data)


class AlertFilter(django_filters.FilterSet):
    """What a list of alerts can be narrowed by."""

    series = django_filters.CharFilter("series__slug")
    source = django_filters.CharFilter("source__slug")
    signal = django_filters.ChoiceFilter(field_name="rule__signal", choices=AlertRule.Signal.choices)
    state = django_filters.ChoiceFilter(choices=Alert.State.choices)


class AlertViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Alert]):
    """Alerts, newest first."""

    queryset = Alert.objects.select_related("rule", "series", "source", "acknowledged_by").order_by("-fired_at", "-pk")
    serializer_class = AlertSerializer
    filterset_class = AlertFilter
    permissions_by_method = {"GET": "alerts.view_alert"}  # noqa: RUF012

    @extend_schema(request=None, responses=AlertSerializer)
    @idempotent
    @action(detail=True, methods=["post"], permissions_by_method={"POST": "alerts.acknowledge_alert"})
    def acknowledge(self, request: Request, pk: str) -> Response:
        """Say that you look after a firing alert. 409 if it is not firing."""
        try:
            alert = operations.acknowledge_alert(self.get_object(), by=cast("User", request.user), at=timezone.now())
        except operations.NotFiring as refusal:
            raise Conflict(str(refusal)) from refusal
        return Response(self.get_serializer(alert).data)
