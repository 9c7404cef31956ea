"""A weather service, by the connection that Airflow keeps, into the portal's forecasts."""

from __future__ import annotations

import pandas as pd
import pytest

from stack.airflow_client import FINISHED, AirflowClient
from stack.portal_client import PortalClient
from tests.functional.town import WEATHER_SOURCE
from tests.functional.waiting import until

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(1800)]


def test_a_forecast_of_the_weather_is_stored_by_its_issue_time(operator: PortalClient, airflow: AirflowClient) -> None:
    run = airflow.trigger("ingest_weather", {"sources": [WEATHER_SOURCE]})
    run = until(lambda: (seen := airflow.look(run)).state in FINISHED and seen)
    (reading,) = operator.results("ingest-runs/", source=WEATHER_SOURCE)
    assert run.state == "success", reading
    assert (reading["state"], reading["airflow"]) == ("done", {"dag_id": "ingest_weather", "run_id": run.run_id})
    stored = operator.get("series/town-temperature/weather-forecasts/")
    assert reading["inserted"] > 48
    assert len(stored) == reading["inserted"] - 1, "the hour that had begun was not forecast before its time"
    (issue_time,) = {each["issue_time"] for each in stored}
    assert pd.Timedelta(0) <= pd.Timestamp(reading["started_at"]) - pd.Timestamp(issue_time) < pd.Timedelta("1h")
    assert all(pd.Timestamp(each["known_at"]) >= pd.Timestamp(issue_time) for each in stored)
