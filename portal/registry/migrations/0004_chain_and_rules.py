"""Decisions form a chain, and the database refuses what no decision covers, whichever code or person asks.

Each decision has the next number and a SHA-256 over itself and the SHA-256 before it. It is refused unless it may follow
the last one about its model, and unless the person is active and permitted; who trained a model never puts it live. At
commit a model's status and approval must be what its decisions say.
"""

from django.db import migrations, models

CHAIN = r"""
CREATE FUNCTION registry_decision_sha256(d registry_decision) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT encode(sha256(convert_to(concat_ws(E'\n',
        d.previous_sha256,
        d.number,
        d.model_id,
        m.artifact_sha256,
        encode(sha256(convert_to(m.evidence::text, 'UTF8')), 'hex'),
        m.trained_by_id,
        d.decision,
        d.by_id,
        to_char(d.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        CASE WHEN d.automatic THEN 'automatic' ELSE 'person' END,
        d.reason
    ), 'UTF8')), 'hex') FROM registry_modelversion m WHERE m.id = d.model_id
$$;
"""

BACKFILL = """
ALTER TABLE registry_decision DISABLE TRIGGER registry_guard_decision;
DO $$
DECLARE
    link registry_decision;
    last_number bigint := 0;
    last_sha256 text := repeat('0', 64);
BEGIN
    FOR link IN SELECT * FROM registry_decision ORDER BY id LOOP
        link.number := last_number + 1;
        link.previous_sha256 := last_sha256;
        link.sha256 := registry_decision_sha256(link);
        UPDATE registry_decision SET number = link.number, previous_sha256 = link.previous_sha256, sha256 = link.sha256
            WHERE id = link.id;
        last_number := link.number;
        last_sha256 := link.sha256;
    END LOOP;
END $$;
ALTER TABLE registry_decision ENABLE TRIGGER registry_guard_decision;
"""

RULES = """
CREATE FUNCTION registry_may(person bigint, permission text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT 1 FROM auth_user u WHERE u.id = person AND u.is_active AND (u.is_superuser OR EXISTS (
            SELECT 1 FROM auth_permission p JOIN django_content_type t ON t.id = p.content_type_id
            WHERE t.app_label = 'registry' AND p.codename = permission AND (
                EXISTS (SELECT 1 FROM auth_user_user_permissions own WHERE own.user_id = u.id AND own.permission_id = p.id)
                OR EXISTS (
                    SELECT 1 FROM auth_user_groups member JOIN auth_group_permissions role USING (group_id)
                    WHERE member.user_id = u.id AND role.permission_id = p.id
                )
            )
        ))
    )
$$;

CREATE FUNCTION registry_chain_decision() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    model registry_modelversion;
    before text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('registry_decision', 0));
    SELECT * INTO model FROM registry_modelversion WHERE id = NEW.model_id;
    SELECT decision INTO before FROM registry_decision WHERE model_id = NEW.model_id ORDER BY number DESC LIMIT 1;
    IF (coalesce(before, 'none'), NEW.decision) NOT IN (
        ('none', 'approve'), ('none', 'reject'), ('approve', 'retire'), ('rollback', 'retire'), ('retire', 'rollback'),
        ('approve', 'withdraw'), ('rollback', 'withdraw'), ('withdraw', 'rollback')
    ) THEN
        RAISE EXCEPTION 'the decision % about model version % cannot follow %', NEW.decision, NEW.model_id, coalesce(before, 'none')
            USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.decision IN ('approve', 'rollback') AND model.trained_by_id = NEW.by_id THEN
        RAISE EXCEPTION 'the trainer of model version % cannot put it live', NEW.model_id USING ERRCODE = 'check_violation';
    END IF;
    -- What replaces a champion is an approval or a rollback.
    IF NOT registry_may(
        NEW.by_id,
        CASE NEW.decision WHEN 'retire' THEN 'approve' WHEN 'withdraw' THEN 'rollback' ELSE NEW.decision END || '_modelversion'
    ) THEN
        RAISE EXCEPTION 'user % is inactive or not permitted to decide % about model version %', NEW.by_id, NEW.decision, NEW.model_id
            USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.automatic AND (NEW.decision NOT IN ('approve', 'retire') OR NOT EXISTS (
        SELECT 1 FROM registry_approvalrule r WHERE r.series_id = model.series_id AND r.enabled AND r.set_by_id = NEW.by_id
    )) THEN
        RAISE EXCEPTION 'no approval rule of user % allows the automatic decision % about model version %', NEW.by_id, NEW.decision, NEW.model_id
            USING ERRCODE = 'check_violation';
    END IF;
    SELECT number + 1, sha256 INTO NEW.number, NEW.previous_sha256 FROM registry_decision ORDER BY number DESC LIMIT 1;
    NEW.number := coalesce(NEW.number, 1);
    NEW.previous_sha256 := coalesce(NEW.previous_sha256, repeat('0', 64));
    NEW.sha256 := registry_decision_sha256(NEW);
    RETURN NEW;
END $$;
CREATE TRIGGER registry_chain_decision BEFORE INSERT ON registry_decision
    FOR EACH ROW EXECUTE FUNCTION registry_chain_decision();

CREATE FUNCTION registry_status_follows() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    model registry_modelversion;
    newest text;
    due text;
    approval registry_decision;
BEGIN
    IF TG_TABLE_NAME = 'registry_decision' THEN
        SELECT * INTO model FROM registry_modelversion WHERE id = NEW.model_id;
    ELSE
        SELECT * INTO model FROM registry_modelversion WHERE id = NEW.id;
    END IF;
    SELECT decision INTO newest FROM registry_decision WHERE model_id = model.id ORDER BY number DESC LIMIT 1;
    due := CASE coalesce(newest, 'none') WHEN 'none' THEN 'candidate' WHEN 'reject' THEN 'rejected'
        WHEN 'retire' THEN 'retired' WHEN 'withdraw' THEN 'retired' ELSE 'champion' END;
    IF model.status <> due THEN
        RAISE EXCEPTION 'model version % is % by its decisions and cannot be made %', model.id, due, model.status
            USING ERRCODE = 'check_violation';
    END IF;
    SELECT * INTO approval FROM registry_decision WHERE model_id = model.id AND decision = 'approve';
    IF (model.approved_by_id, model.approved_at) IS DISTINCT FROM (approval.by_id, approval.at) THEN
        RAISE EXCEPTION 'who approved model version % and when is not what its decisions say', model.id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER registry_status_follows AFTER INSERT OR UPDATE ON registry_modelversion
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION registry_status_follows();
CREATE CONSTRAINT TRIGGER registry_status_follows AFTER INSERT ON registry_decision
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION registry_status_follows();

CREATE FUNCTION registry_refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is part of the record and cannot be emptied', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER registry_refuse_truncate BEFORE TRUNCATE ON registry_modelversion
    FOR EACH STATEMENT EXECUTE FUNCTION registry_refuse_truncate();
CREATE TRIGGER registry_refuse_truncate BEFORE TRUNCATE ON registry_decision
    FOR EACH STATEMENT EXECUTE FUNCTION registry_refuse_truncate();
"""

NO_RULES = """
DROP TRIGGER registry_refuse_truncate ON registry_modelversion;
DROP TRIGGER registry_refuse_truncate ON registry_decision;
DROP FUNCTION registry_refuse_truncate();
DROP TRIGGER registry_status_follows ON registry_modelversion;
DROP TRIGGER registry_status_follows ON registry_decision;
DROP FUNCTION registry_status_follows();
DROP TRIGGER registry_chain_decision ON registry_decision;
DROP FUNCTION registry_chain_decision();
DROP FUNCTION registry_may(bigint, text);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0003_decision_chain"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.RunSQL(CHAIN, "DROP FUNCTION registry_decision_sha256(registry_decision);"),
        migrations.RunSQL(BACKFILL, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="decision",
            name="number",
            field=models.PositiveBigIntegerField(
                unique=True, editable=False, db_default=0, help_text="1, 2, … over all series, without holes"
            ),
        ),
        migrations.RunSQL(RULES, NO_RULES),
    ]
