"""How the portal is put together. Importing it binds Celery's shared tasks to the portal's Celery app."""

from portal.config.celery import app as celery_app

__all__ = ["celery_app"]
