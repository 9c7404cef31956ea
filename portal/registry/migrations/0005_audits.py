"""What audits of the decisions found is kept, and like the decisions it is only added to."""

import django.contrib.postgres.fields
from django.db import migrations, models

RULES = """
CREATE FUNCTION registry_guard_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit % is part of the record and cannot be changed', OLD.id USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER registry_guard_audit BEFORE UPDATE OR DELETE ON registry_auditoutcome
    FOR EACH ROW EXECUTE FUNCTION registry_guard_audit();
CREATE TRIGGER registry_refuse_truncate BEFORE TRUNCATE ON registry_auditoutcome
    FOR EACH STATEMENT EXECUTE FUNCTION registry_refuse_truncate();
"""

NO_RULES = """
DROP TRIGGER registry_refuse_truncate ON registry_auditoutcome;
DROP TRIGGER registry_guard_audit ON registry_auditoutcome;
DROP FUNCTION registry_guard_audit();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0004_chain_and_rules"),
    ]

    operations = [
        migrations.CreateModel(
            name="AuditOutcome",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("decision_count", models.PositiveIntegerField(blank=True, null=True)),
                ("model_count", models.PositiveIntegerField(blank=True, null=True)),
                ("head_number", models.PositiveBigIntegerField(blank=True, help_text="The newest decision", null=True)),
                ("head_sha256", models.CharField(blank=True, max_length=64, verbose_name="head SHA-256")),
                (
                    "faults",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(),
                        blank=True,
                        default=list,
                        help_text="What is broken; none: it is sound",
                        size=None,
                    ),
                ),
                (
                    "sound",
                    models.GeneratedField(
                        db_persist=True, expression=models.Q(("faults__len", 0)), output_field=models.BooleanField()
                    ),
                ),
            ],
            options={
                "verbose_name": "audit",
                "ordering": ("-at", "-pk"),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("decision_count__isnull", False),
                                ("head_number__isnull", False),
                                ("head_sha256__regex", "^[0-9a-f]{64}$"),
                                ("model_count__isnull", False),
                            ),
                            models.Q(
                                ("decision_count__isnull", True),
                                ("faults__len__gt", 0),
                                ("head_number__isnull", True),
                                ("head_sha256", ""),
                                ("model_count__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="registry_audit_is_whole",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("faults__len__gt", 0), ("decision_count", models.F("head_number")), _connector="OR"
                        ),
                        name="registry_sound_audit_has_no_holes",
                    ),
                ],
            },
        ),
        migrations.RunSQL(RULES, NO_RULES),
    ]
