"""### Ingest demand

Reads sources of demand (files, EIA-930, ENTSO-E, databases, sums of other series), keeps bad rows in the portal's
quarantine, and appends what is new or corrected. Sources are read in batches; the log says how far each one is.
Reading the same again changes nothing.

**By schedule:** daily, every enabled source of demand that is marked *scheduled* in the portal, looking back over some
weeks for late and corrected values. **By hand:** the sources that you name, over the period that you give: a year is
one run. **As of** replays the past: only what had become known by then is taken.

New observations start **check_data_quality** and **score_forecasts**.
"""

from airflow.sdk import CronDataIntervalTimetable, dag

from include.defaults import DEFAULT_ARGS, START, TAGS
from include.ingest_dag import ingest_params, ingest_sources


@dag(
    schedule=CronDataIntervalTimetable("15 4 * * *", timezone="UTC"),
    start_date=START,
    catchup=False,
    default_args=DEFAULT_ARGS,
    tags=TAGS,
    description="Read sources of demand into the portal, bad rows into its quarantine.",
    doc_md=__doc__,
    params=ingest_params(),
)
def ingest_demand() -> None:
    ingest_sources(feeds="demand")


ingest_demand()
