"""``/api/v1/``: adjust a forecast; what adjustments were worth."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

from django.contrib.auth.models import User
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.core.idempotency import idempotent
from portal.core.parameters import read_period
from portal.core.problems import Conflict, Problem
from portal.forecasts.ledger.api import SERIES, run_of, series_of
from portal.forecasts.overrides import operations, queries
from portal.forecasts.overrides.adjustments import AdjustmentRefused
from portal.forecasts.overrides.serializers import OverrideRequestSerializer, ValueAddedSerializer
from portal.forecasts.serializers import ForecastRunSerializer

LONGEST = timedelta(days=3660)


class OverrideView(APIView):
    """Adjust a published forecast."""

    permissions_by_method = {"POST": operations.OVERRIDE}  # noqa: RUF012  # as views have it

    @extend_schema(
        operation_id="forecast_runs_override",
        request=OverrideRequestSerializer,
        responses={status.HTTP_201_CREATED: ForecastRunSerializer},
    )
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        """Publish a run with the adjustment beside the run, which stays as it is.

        409 if the run is not the one that counts of its issue time: it was adjusted already, or published anew.
        """
        run = run_of(pk)
        serializer = OverrideRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        try:
            made = operations.override_run(
                run, by=cast("User", request.user), at=timezone.now(), **serializer.validated_data
            )
        except AdjustmentRefused as refusal:
            error = {"field": refusal.field, "rule": refusal.rule, "message": str(refusal)}
            raise Problem(str(refusal), errors=[error]) from refusal
        except operations.NotTheNewest as refusal:
            newest = {"field": "id", "value": refusal.newest.pk, "rule": "not_the_newest", "message": str(refusal)}
            raise Conflict(str(refusal), errors=[newest]) from refusal
        return Response(ForecastRunSerializer(made).data, status=status.HTTP_201_CREATED)


class ValueAddedView(APIView):
    """What people's adjustments were worth."""

    permissions_by_method = {"GET": "forecasts.view_forecastscore"}  # noqa: RUF012

    @extend_schema(
        operation_id="overrides_value_added",
        parameters=[
            SERIES,
            OpenApiParameter("start", OpenApiTypes.DATETIME, required=True, description="First issue time"),
            OpenApiParameter("end", OpenApiTypes.DATETIME, required=True, description="End of the half-open period"),
        ],
        responses=ValueAddedSerializer,
    )
    def get(self, request: Request) -> Response:
        """Mean absolute errors of forecasts issued in the period, before and after adjusting, by the newest scores."""
        series = series_of(request)
        start, end = read_period(request, longest=LONGEST)
        people, total = queries.worth_by_person(series, start=start, end=end)
        return Response(
            ValueAddedSerializer({"series": series.slug, "unit": series.unit, "people": people, "total": total}).data
        )
