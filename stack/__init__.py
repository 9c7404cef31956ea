"""Gridcast on one machine: embedded PostgreSQL and Valkey, the portal, Celery and Airflow under one supervisor."""
