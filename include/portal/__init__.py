"""The portal's REST API as the pipeline uses it."""

from include.portal.api import Portal
from include.portal.errors import Conflict, InvalidRequest, NotFound, NotPermitted, PortalError, PortalUnavailable

__all__ = [
    "Conflict",
    "InvalidRequest",
    "NotFound",
    "NotPermitted",
    "Portal",
    "PortalError",
    "PortalUnavailable",
]
