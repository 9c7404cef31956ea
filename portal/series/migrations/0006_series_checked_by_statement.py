"""That the series of an observation or a weather forecast is there: checked once per statement, not once per row.

The triggers do what the foreign keys did: the series is locked against deletion while rows are added to it, and one with
rows is not deleted.
"""

import django.db.models.deletion
from django.db import migrations, models

TABLES = ("observation", "weatherforecast")

_FUNCTIONS = """
CREATE FUNCTION series_require_series() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    named bigint[] := ARRAY(SELECT DISTINCT series_id FROM added ORDER BY series_id);
    there bigint;
BEGIN
    PERFORM FROM series_series WHERE id = ANY (named) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS there = ROW_COUNT;
    IF there < cardinality(named) THEN
        RAISE EXCEPTION '% refers to a series that is not there', TG_TABLE_NAME USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION series_keep_recorded_series() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM series_observation WHERE series_id = OLD.id)
        OR EXISTS (SELECT FROM series_weatherforecast WHERE series_id = OLD.id) THEN
        RAISE EXCEPTION 'series % is still referred to: it has observations or forecasts', OLD.slug
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER series_keep_recorded_series BEFORE DELETE ON series_series
    FOR EACH ROW EXECUTE FUNCTION series_keep_recorded_series();
"""
_TRIGGERS = "".join(
    f"""
CREATE TRIGGER series_require_series AFTER INSERT ON series_{table} REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION series_require_series();
"""
    for table in TABLES
)
UNDO = (
    "".join(f"DROP TRIGGER series_require_series ON series_{table};" for table in TABLES)
    + "DROP TRIGGER series_keep_recorded_series ON series_series;"
    + "DROP FUNCTION series_require_series(); DROP FUNCTION series_keep_recorded_series();"
)


class Migration(migrations.Migration):
    dependencies = [("series", "0005_weather_append_only")]

    operations = [
        *(
            migrations.AlterField(
                model_name=table,
                name="series",
                field=models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="series.series",
                ),
            )
            for table in TABLES
        ),
        migrations.RunSQL(_FUNCTIONS + _TRIGGERS, UNDO),
    ]
