"""Django system checks for what would only be noticed later."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register


@register(Tags.security)
def reports_root_is_writable(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Reports of checks are stored there; the folder is made on the first, if its parent allows."""
    folder = Path(settings.REPORTS_ROOT)
    existing = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    if existing.is_dir() and os.access(existing, os.W_OK):
        return []
    return [
        Error(f"REPORTS_ROOT {folder} cannot be written.", hint="Make it writable to the portal.", id="gridcast.E001")
    ]


@register(Tags.security)
def public_host_is_allowed(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Links in mails must lead to a host that the portal answers on."""
    from urllib.parse import urlsplit

    from django.http.request import validate_host

    host = urlsplit(settings.PORTAL_PUBLIC_URL).hostname or ""
    if validate_host(f"[{host}]" if ":" in host else host, settings.ALLOWED_HOSTS):
        return []
    return [
        Error(
            f"ALLOWED_HOSTS does not hold {host}, the host of PORTAL_PUBLIC_URL.",
            hint="Add it, or the links in mails lead to refusals.",
            id="gridcast.E002",
        )
    ]


@register(Tags.security, deploy=True)
def production_is_https(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Session cookies and tokens travel in the open otherwise."""
    if settings.PORTAL_PUBLIC_URL.startswith("https://"):
        return []
    return [Warning("PORTAL_PUBLIC_URL is not https.", hint="Put the portal behind TLS.", id="gridcast.W001")]
