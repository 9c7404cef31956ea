"""``/api/v1/publication-deadlines/`` and ``/api/v1/deadline-records/``."""

from __future__ import annotations

from typing import cast

import django_filters
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError as ModelValidationError
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from portal.core.idempotency import idempotent
from portal.forecasts.deadlines import operations
from portal.forecasts.deadlines.serializers import DeadlineRecordSerializer, PublicationDeadlineSerializer
from portal.forecasts.models import DeadlineRecord, PublicationDeadline


class DeadlineFilter(django_filters.FilterSet):
    """What a list of deadlines can be narrowed by."""

    series = django_filters.CharFilter("series__slug")
    enabled = django_filters.BooleanFilter("enabled")


class PublicationDeadlineViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[PublicationDeadline]
):
    """Deadlines of publication, one per series."""

    queryset = PublicationDeadline.objects.select_related("series").order_by("series__slug")
    serializer_class = PublicationDeadlineSerializer
    filterset_class = DeadlineFilter
    lookup_value_regex = r"\d{1,18}"
    permissions_by_method = {  # noqa: RUF012
        "GET": "forecasts.view_publicationdeadline",
        "POST": "forecasts.add_publicationdeadline",
        "PATCH": "forecasts.change_publicationdeadline",
        "DELETE": "forecasts.delete_publicationdeadline",
    }

    @idempotent
    def create(self, request: Request) -> Response:
        """Give a load series a deadline."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        try:
            made = operations.set_deadline(
                facts=serializer.validated_data, by=cast("User", request.user), at=timezone.now()
            )
        except ModelValidationError as error:
            raise serializers.ValidationError(error.message_dict) from error
        return Response(self.get_serializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=PublicationDeadlineSerializer(partial=True), responses=PublicationDeadlineSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change some facts of a deadline. It counts from then on."""
        deadline = self.get_object()
        serializer = self.get_serializer(deadline, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        try:
            changed = operations.change_deadline(
                deadline, changes=serializer.validated_data, by=cast("User", request.user), at=timezone.now()
            )
        except ModelValidationError as error:
            raise serializers.ValidationError(error.message_dict) from error
        return Response(self.get_serializer(changed).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Take a deadline away; what was recorded of it stays."""
        operations.remove_deadline(self.get_object(), by=cast("User", request.user), at=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class DeadlineRecordFilter(django_filters.FilterSet):
    """What the records can be narrowed by; the period of delivery days is half-open."""

    series = django_filters.CharFilter("series__slug")
    outcome = django_filters.ChoiceFilter(choices=DeadlineRecord.Outcome.choices)
    day_from = django_filters.DateFilter("delivery_day", lookup_expr="gte")
    day_to = django_filters.DateFilter("delivery_day", lookup_expr="lt")

    class Meta:
        model = DeadlineRecord
        fields = ("series", "outcome")


class DeadlineRecordViewSet(viewsets.ReadOnlyModelViewSet[DeadlineRecord]):
    """What became of the deadlines, newest first."""

    queryset = DeadlineRecord.objects.select_related("series").order_by("-deadline", "series__slug")
    serializer_class = DeadlineRecordSerializer
    filterset_class = DeadlineRecordFilter
    lookup_value_regex = r"\d{1,18}"
    permissions_by_method = {"GET": "forecasts.view_deadlinerecord"}  # noqa: RUF012
