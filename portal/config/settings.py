"""Django's settings. What differs between installations comes from the environment (portal.config.environment)."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from celery.schedules import crontab
from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.urls import reverse_lazy

from portal.config.environment import Environment

BASE_DIR = Path(__file__).resolve().parents[1]
ENVIRONMENT = Environment.read(os.environ)
HTTPS = urlsplit(ENVIRONMENT.portal_public_url).scheme == "https"

DEBUG = ENVIRONMENT.debug
SECRET_KEY = ENVIRONMENT.secret_key
ALLOWED_HOSTS = ENVIRONMENT.allowed_hosts
ROOT_URLCONF = "portal.config.urls"
WSGI_APPLICATION = "portal.config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

PORTAL_PUBLIC_URL = ENVIRONMENT.portal_public_url
AIRFLOW_PUBLIC_URL = ENVIRONMENT.airflow_public_url
AIRFLOW_API_URL = ENVIRONMENT.airflow_api_url
AIRFLOW_API_USERNAME = ENVIRONMENT.airflow_api_username
AIRFLOW_API_PASSWORD = ENVIRONMENT.airflow_api_password
REPORTS_ROOT = ENVIRONMENT.reports_root
ALERT_FROM_EMAIL = ENVIRONMENT.alert_from_email

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.simple_history",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "django_filters",
    "knox",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "simple_history",
    "axes",
    "csp",
    "portal.core",
    "portal.series",
    "portal.forecasts",
    "portal.registry",
    "portal.quality",
    "portal.alerts",
    "portal.pipeline",
    "portal.retention",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "axes.middleware.AxesMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # Before the apps' own folders: unfold's admin/index.html would be found first otherwise.
        "DIRS": [BASE_DIR / "core" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# PostgreSQL, the broker, mail

DATABASES = {"default": {**ENVIRONMENT.database, "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}}

CELERY_BROKER_URL = ENVIRONMENT.redis_url
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A web request that hands work to Celery must not hang on a broker that is down: the outbox keeps the work anyway.
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 2, "socket_timeout": 5, "max_retries": 0}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE = {
    "sweep the outbox": {"task": "portal.alerts.tasks.sweep_outbox", "schedule": 60.0},
    "sweep the requests to Airflow": {"task": "portal.pipeline.tasks.sweep_dag_run_requests", "schedule": 60.0},
    # What a beat asked for while no worker was there, the next one asks for again.
    "ask for forecasts ahead of their deadlines": {
        "task": "portal.forecasts.tasks.ask_ahead_of_deadlines",
        "schedule": 60.0,
        "options": {"expires": 60.0},
    },
    "guard the deadlines": {
        "task": "portal.forecasts.tasks.guard_deadlines",
        "schedule": 60.0,
        "options": {"expires": 60.0},
    },
    "forget old idempotency keys": {"task": "portal.core.tasks.forget_idempotency_keys", "schedule": 3600.0},
    "audit the decisions": {
        "task": "portal.registry.tasks.audit_decisions",
        "schedule": crontab(hour="2", minute="35"),
    },
}

EMAIL_BACKEND = ENVIRONMENT.email["EMAIL_BACKEND"]
EMAIL_HOST = ENVIRONMENT.email["EMAIL_HOST"]
EMAIL_PORT = ENVIRONMENT.email["EMAIL_PORT"] or 25
EMAIL_HOST_USER = ENVIRONMENT.email["EMAIL_HOST_USER"] or ""
EMAIL_HOST_PASSWORD = ENVIRONMENT.email["EMAIL_HOST_PASSWORD"] or ""
EMAIL_USE_TLS = ENVIRONMENT.email.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = ENVIRONMENT.email.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 30
DEFAULT_FROM_EMAIL = SERVER_EMAIL = ALERT_FROM_EMAIL

# Time and language

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
FORMAT_MODULE_PATH = ["portal.config.formats"]

# Static files are served by WhiteNoise straight from the packages: nothing to collect, so nothing to forget.

STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

# People

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")

AXES_VERBOSE = False
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25  # hours
AXES_RESET_ON_SUCCESS = True
# Name and address together: nobody can lock an operator out from elsewhere.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]

# Browsers

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_NAME = "gridcast_session"
CSRF_COOKIE_NAME = "gridcast_csrf"
CSRF_TRUSTED_ORIGINS = [ENVIRONMENT.portal_public_url]
SECURE_SSL_REDIRECT = False
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS and ENVIRONMENT.kind == "prod" else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if ENVIRONMENT.behind_proxy else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        # Alpine, which the admin's theme is built on, compiles its attributes at run time.
        "script-src": [SELF, UNSAFE_EVAL],
        "style-src": [SELF, UNSAFE_INLINE],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

# API

BULK_BODY_LIMIT = 64 * 1024 * 1024
"""Bytes of one request body."""
BULK_ROW_LIMIT = 2_000_000
"""Rows of one columnar body: what a few compressed bytes may unfold to."""
DATA_UPLOAD_MAX_MEMORY_SIZE = BULK_BODY_LIMIT
IDEMPOTENCY_RETENTION_DAYS = 14

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "portal.core.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["portal.core.permissions.MethodPermissions"],
    "DEFAULT_RENDERER_CLASSES": ["portal.core.negotiation.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["portal.core.negotiation.JSONParser"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "portal.core.pagination.Pages",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "portal.core.problems.exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
REST_KNOX = {"AUTH_HEADER_PREFIX": "Token", "TOKEN_TTL": None}

SPECTACULAR_SETTINGS = {
    "TITLE": "Gridcast",
    "DESCRIPTION": "Electricity-demand forecasts that an operator can trust: the REST API of the portal.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "SeverityEnum": "portal.alerts.models.AlertRule.Severity",
        "AccuracyStateEnum": "portal.forecasts.models.AccuracySignal.State",
        "StoredStatusEnum": ["created", "unchanged"],
        "ModelStatusEnum": "portal.registry.models.ModelVersion.Status",
        "RetentionKindEnum": "portal.retention.kinds.Kind",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "portal.core.schema.describe_problems",
    ],
}

UNFOLD = {
    "SITE_TITLE": "Gridcast",
    "SITE_HEADER": "Gridcast",
    "SITE_SUBHEADER": "Electricity-demand forecasts",
    "SITE_SYMBOL": "bolt",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "/static/core/icon.svg"}],
    "SITE_URL": reverse_lazy("admin:index"),
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "portal.forecasts.dashboard.dashboard",
    "STYLES": ["/static/core/gridcast.css"],
    "SIDEBAR": {"show_search": True, "navigation": "portal.core.navigation.navigation"},
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": ENVIRONMENT.log_level},
    "loggers": {"django.server": {"propagate": True, "handlers": []}},
}
