"""Scores, accuracy signals and deadline records stay as they are, like the ledger; and none of it can be emptied."""

from django.db import migrations

FIXED = ("forecasts_forecastscore", "forecasts_accuracysignal", "forecasts_deadlinerecord")
NOT_EMPTIED = ("forecasts_forecastrun", "forecasts_forecastvalue", *FIXED)

GUARD = """
CREATE TRIGGER forecasts_guard_record BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION forecasts_guard_ledger();
"""
NO_GUARD = "DROP TRIGGER forecasts_guard_record ON {table};"

REFUSE = """
CREATE FUNCTION forecasts_refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is part of the record and cannot be emptied', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
"""
NO_REFUSE = "DROP FUNCTION forecasts_refuse_truncate();"
TRUNCATE = """
CREATE TRIGGER forecasts_refuse_truncate BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION forecasts_refuse_truncate();
"""
NO_TRUNCATE = "DROP TRIGGER forecasts_refuse_truncate ON {table};"


class Migration(migrations.Migration):
    dependencies = [("retention", "0002_deletion_by_retention")]

    operations = [
        *(migrations.RunSQL(GUARD.format(table=table), NO_GUARD.format(table=table)) for table in FIXED),
        migrations.RunSQL(REFUSE, NO_REFUSE),
        *(migrations.RunSQL(TRUNCATE.format(table=table), NO_TRUNCATE.format(table=table)) for table in NOT_EMPTIED),
    ]
