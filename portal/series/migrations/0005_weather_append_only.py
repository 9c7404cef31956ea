"""Weather forecasts are added, never altered: a backtest must see of a past issue what was issued then."""

from django.db import migrations

GUARD = """
CREATE FUNCTION series_guard_weatherforecast() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'weather forecasts are part of the record: what was issued stays' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER series_guard_weatherforecast BEFORE UPDATE OR DELETE ON series_weatherforecast
    FOR EACH ROW EXECUTE FUNCTION series_guard_weatherforecast();
"""


class Migration(migrations.Migration):
    dependencies = [("series", "0004_source_ingest_periods")]

    operations = [
        migrations.RunSQL(
            GUARD,
            "DROP TRIGGER series_guard_weatherforecast ON series_weatherforecast;"
            " DROP FUNCTION series_guard_weatherforecast();",
        ),
    ]
