"""Pipeline: the runs of DAGs that the portal asks Airflow for."""

from django.apps import AppConfig


class PipelineConfig(AppConfig):
    name = "portal.pipeline"
    label = "pipeline"
    verbose_name = "Pipeline"
    default_auto_field = "django.db.models.BigAutoField"
