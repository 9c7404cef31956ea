"""The ledger and the weather forecasts stay as they are; the retention alone may delete, whole runs at a time.

A transaction says so by `SET LOCAL gridcast.retention = 'on'`. An UPDATE stays forbidden to everybody. Observations,
model versions and decisions are never deleted: their triggers know no retention.
"""

from django.db import migrations

LEDGER = """
CREATE OR REPLACE FUNCTION forecasts_guard_ledger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {exception}RAISE EXCEPTION 'the forecast ledger is only added to' USING ERRCODE = 'restrict_violation';
END $$;
"""
WEATHER = """
CREATE OR REPLACE FUNCTION series_guard_weatherforecast() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {exception}RAISE EXCEPTION 'weather forecasts are part of the record: what was issued stays' USING ERRCODE = 'restrict_violation';
END $$;
"""
EXCEPTION = """IF TG_OP = 'DELETE' AND current_setting('gridcast.retention', true) = 'on' THEN
        RETURN OLD;
    END IF;
    """

# The foreign keys see at the commit that no value outlives its run; this sees that no run outlives one of its values.
WHOLE = """
CREATE FUNCTION forecasts_check_none_taken() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM forecasts_forecastrun WHERE id IN (SELECT DISTINCT run_id FROM taken)) THEN
        RAISE EXCEPTION 'a forecast run is deleted with all of its values, or not at all: delete the run first' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER forecasts_value_not_taken AFTER DELETE ON forecasts_forecastvalue
    REFERENCING OLD TABLE AS taken FOR EACH STATEMENT EXECUTE FUNCTION forecasts_check_none_taken();
"""


def replaced(function: str) -> migrations.RunSQL:
    """The guard with the exception, and back again."""
    return migrations.RunSQL(function.format(exception=EXCEPTION), function.format(exception=""))


class Migration(migrations.Migration):
    dependencies = [
        ("retention", "0001_initial"),
        ("forecasts", "0003_scores_deadlines_overrides"),
        ("series", "0007_external_forecast"),
    ]

    operations = [
        replaced(LEDGER),
        replaced(WEATHER),
        migrations.RunSQL(
            WHOLE,
            "DROP TRIGGER forecasts_value_not_taken ON forecasts_forecastvalue; DROP FUNCTION forecasts_check_none_taken();",
        ),
    ]
