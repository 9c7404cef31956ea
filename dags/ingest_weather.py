"""### Ingest weather

Reads sources of weather: measured values are stored like loads, forecasts by the time at which they were issued, so
that a training can use what was forecast at the time. Bad rows go to the portal's quarantine. Reading the same again
changes nothing.

**By schedule:** every six hours, every enabled source of weather that is marked *scheduled* in the portal. **By hand:**
the sources that you name, over the period that you give. A forecast of the past cannot be had later: name a source
of earlier forecasts, or of an archive.

New measured values start **check_data_quality** and **score_forecasts**.
"""

from airflow.sdk import CronDataIntervalTimetable, dag

from include.defaults import DEFAULT_ARGS, START, TAGS
from include.ingest_dag import ingest_params, ingest_sources


@dag(
    schedule=CronDataIntervalTimetable("45 */6 * * *", timezone="UTC"),
    start_date=START,
    catchup=False,
    default_args=DEFAULT_ARGS,
    tags=TAGS,
    description="Read weather and weather forecasts into the portal.",
    doc_md=__doc__,
    params=ingest_params(),
)
def ingest_weather() -> None:
    ingest_sources(feeds="weather")


ingest_weather()
