"""A published run is whole when it is committed, and fixed from then on."""

from django.db import migrations

FIXED = """
CREATE FUNCTION forecasts_guard_ledger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the forecast ledger is only added to' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER forecasts_guard_run BEFORE UPDATE OR DELETE ON forecasts_forecastrun
    FOR EACH ROW EXECUTE FUNCTION forecasts_guard_ledger();
CREATE TRIGGER forecasts_guard_value BEFORE UPDATE OR DELETE ON forecasts_forecastvalue
    FOR EACH ROW EXECUTE FUNCTION forecasts_guard_ledger();
"""

# Checked at the end of the transaction: a run with a value too few never becomes visible.
WHOLE = """
CREATE FUNCTION forecasts_check_whole() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    present bigint;
BEGIN
    SELECT count(*) INTO present FROM forecasts_forecastvalue WHERE run_id = NEW.id;
    IF present <> NEW.value_count THEN
        RAISE EXCEPTION 'forecast run % has % of its % values', NEW.id, present, NEW.value_count USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER forecasts_run_is_whole AFTER INSERT ON forecasts_forecastrun
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION forecasts_check_whole();
"""

# A committed run is full, so a value added to it later is one too many.
NOT_MORE = """
CREATE FUNCTION forecasts_check_not_more() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    overfull bigint;
BEGIN
    SELECT run.id INTO overfull FROM forecasts_forecastrun run
    WHERE run.id IN (SELECT DISTINCT run_id FROM added)
        AND (SELECT count(*) FROM forecasts_forecastvalue WHERE run_id = run.id) > run.value_count
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'forecast run % has its values already', overfull USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER forecasts_value_not_more AFTER INSERT ON forecasts_forecastvalue
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION forecasts_check_not_more();
"""


class Migration(migrations.Migration):
    dependencies = [("forecasts", "0001_initial")]

    operations = [
        migrations.RunSQL(
            FIXED,
            "DROP TRIGGER forecasts_guard_run ON forecasts_forecastrun;"
            " DROP TRIGGER forecasts_guard_value ON forecasts_forecastvalue; DROP FUNCTION forecasts_guard_ledger();",
        ),
        migrations.RunSQL(
            WHOLE,
            "DROP TRIGGER forecasts_run_is_whole ON forecasts_forecastrun; DROP FUNCTION forecasts_check_whole();",
        ),
        migrations.RunSQL(
            NOT_MORE,
            "DROP TRIGGER forecasts_value_not_more ON forecasts_forecastvalue; DROP FUNCTION forecasts_check_not_more();",
        ),
    ]
