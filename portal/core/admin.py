"""The base of the portal's admin pages, what they show alike, and the pages of people and groups in the same theme."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from knox.models import AuthToken
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from portal.core.airflow import airflow_url

DELIVERY_COLOURS = {"sent": "success", "failing": "danger", "waiting": "info"}


def badge(text: str, colour: str) -> SafeString:
    """The theme's label, on a page where the theme itself draws labels in lists only."""
    return render_to_string("unfold/helpers/label.html", {"text": text, "type": colour})


def airflow_link(airflow: Mapping[str, Any]) -> str:
    """A link to the Airflow run behind a fact, of `{"dag_id", "run_id"}`; a dash where none is known."""
    url = airflow_url(airflow)
    if not url:
        return "–"
    dag, run = airflow["dag_id"], airflow["run_id"]
    return format_html('<a href="{}" target="_blank" rel="noopener" class="underline">{} · {}</a>', url, dag, run)


def record_and_page(admin_of: ModelAdmin, request: HttpRequest, object_id: str, *, name: str) -> tuple[Any, str]:
    """A record that somebody wants to decide about and may look at, and the address of its page.

    Raises Http404, PermissionDenied.
    """
    record = admin_of.get_object(request, object_id)
    if record is None:
        raise Http404(f"There is no {name} {object_id}.")
    if not admin_of.has_view_permission(request, record):
        raise PermissionDenied
    opts = admin_of.opts
    return record, reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=(record.pk,))


class _Facts:
    """What can be looked at, and nothing else."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class RecordAdmin(_Facts, ModelAdmin):
    """A page of facts."""


class RecordInline(_Facts, TabularInline):
    """Facts on the page of another."""

    extra = 0
    can_delete = False
    hide_title = True


admin.site.unregister(User)
admin.site.unregister(Group)
if admin.site.is_registered(AuthToken):
    admin.site.unregister(AuthToken)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):
    """People and service accounts."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "role", "is_active", "is_staff", "last_login")
    list_filter = ("groups", "is_active", "is_staff", "is_superuser")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("groups")

    @admin.display(description="Role")
    def role(self, user: User) -> str:
        return ", ".join(group.name for group in user.groups.all()) or ("superuser" if user.is_superuser else "–")


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    """Roles."""
