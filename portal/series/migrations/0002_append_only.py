"""Observations are added, never altered: a read as of a past time must give today what it gave then."""

from django.db import migrations

GUARD = """
CREATE FUNCTION series_guard_observation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'observations are part of the record: a correction is a new row' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER series_guard_observation BEFORE UPDATE OR DELETE ON series_observation
    FOR EACH ROW EXECUTE FUNCTION series_guard_observation();
"""


class Migration(migrations.Migration):
    dependencies = [("series", "0001_initial")]

    operations = [
        migrations.RunSQL(
            GUARD,
            "DROP TRIGGER series_guard_observation ON series_observation; DROP FUNCTION series_guard_observation();",
        ),
    ]
