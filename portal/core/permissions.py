"""Who may call which method of a view, and which operation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission

if TYPE_CHECKING:  # rest_framework.views itself loads this module
    from django.contrib.auth.models import AnonymousUser, User
    from rest_framework.request import Request
    from rest_framework.views import APIView


class MethodPermissions(BasePermission):
    """Holds views to their `permissions_by_method`, ``{"GET": "series.view_series", "POST": "series.add_series"}``.

    HEAD goes with GET; OPTIONS needs a login only. A method that a view serves but does not name is refused, so that
    nothing opens by being forgotten. The value None says that a login is enough.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not (request.user and request.user.is_authenticated):
            return False
        if request.method == "OPTIONS":
            return True
        method = "GET" if request.method == "HEAD" else str(request.method)
        permissions: dict[str, str | None] = getattr(view, "permissions_by_method", {})
        if method not in permissions:
            # An unserved method is a 405 of the view's own, not a 403.
            return not hasattr(view, method.lower())
        permission = permissions[method]
        if permission is None or request.user.has_perm(permission):
            return True
        self.message: Any = f"{request.user} is not permitted to do this: the permission {permission} is missing."
        return False


class NotPermitted(PermissionDenied):
    """The person lacks the permission of an operation: a 403, whoever calls it."""


def require(person: User | AnonymousUser, permission: str, *, doing: str) -> None:
    """Raise NotPermitted unless `person` holds `permission`, ``app.codename``."""
    if not person.has_perm(permission):
        raise NotPermitted(f"{person} is not permitted to {doing}: the permission {permission} is missing.")
