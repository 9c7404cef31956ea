"""What every app of the portal stands on: errors, access, idempotency, formats, health."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "portal.core"
    label = "core"
    verbose_name = "Core"

    def ready(self) -> None:
        from portal.core import checks, schema  # noqa: F401  # importing registers them
