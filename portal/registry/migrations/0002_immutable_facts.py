"""What no code path may change, the database refuses to change.

A model version keeps its facts and moves only along candidate → champion | rejected, champion → retired, retired → champion.
Decisions are added, never altered, and nobody's approval of their own training is stored.
"""

from django.db import migrations

MODEL_VERSION = """
CREATE FUNCTION registry_guard_modelversion() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'model version % is part of the record and cannot be deleted', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF NEW.status <> 'candidate' THEN
            RAISE EXCEPTION 'a model version is registered as a candidate, not as %', NEW.status USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF to_jsonb(NEW) - '{status,approved_by_id,approved_at}'::text[] IS DISTINCT FROM to_jsonb(OLD) - '{status,approved_by_id,approved_at}'::text[] THEN
        RAISE EXCEPTION 'the facts of model version % are fixed since its registration', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.status <> OLD.status AND (OLD.status, NEW.status) NOT IN (
        ('candidate', 'champion'), ('candidate', 'rejected'), ('champion', 'retired'), ('retired', 'champion')
    ) THEN
        RAISE EXCEPTION 'model version % cannot go from % to %', OLD.id, OLD.status, NEW.status USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER registry_guard_modelversion BEFORE INSERT OR UPDATE OR DELETE ON registry_modelversion
    FOR EACH ROW EXECUTE FUNCTION registry_guard_modelversion();
"""

DECISION = """
CREATE FUNCTION registry_guard_decision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        RAISE EXCEPTION 'decision % is part of the record and cannot be changed', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.decision = 'approve' AND EXISTS (
        SELECT 1 FROM registry_modelversion WHERE id = NEW.model_id AND trained_by_id = NEW.by_id
    ) THEN
        RAISE EXCEPTION 'the trainer of model version % cannot approve it', NEW.model_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER registry_guard_decision BEFORE INSERT OR UPDATE OR DELETE ON registry_decision
    FOR EACH ROW EXECUTE FUNCTION registry_guard_decision();
"""


class Migration(migrations.Migration):
    dependencies = [("registry", "0001_initial")]

    operations = [
        migrations.RunSQL(
            MODEL_VERSION,
            "DROP TRIGGER registry_guard_modelversion ON registry_modelversion; DROP FUNCTION registry_guard_modelversion();",
        ),
        migrations.RunSQL(
            DECISION,
            "DROP TRIGGER registry_guard_decision ON registry_decision; DROP FUNCTION registry_guard_decision();",
        ),
    ]
