"""Groups, people and the service account, as `roles` has them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field

from django.contrib.auth.models import Group, Permission, User
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.utils import timezone
from knox.crypto import hash_token
from knox.models import AuthToken

from portal.core import roles


@dataclass
class Access:
    """What `ensure_access` left: the passwords by username, the service token, and what was made or changed."""

    passwords: MutableMapping[str, str]
    service_token: str
    changes: list[str] = field(default_factory=list)


def ensure_access(*, passwords: Mapping[str, str], service_token: str | None, mail_domain: str) -> Access:
    """Make the groups, the people and the service account, and set them to the given passwords and token.

    A missing password is drawn. A token that is missing, unknown or of another account is replaced by a new one, which
    does not expire; one that is valid is kept. Doing it again changes nothing.
    """
    with transaction.atomic():
        access = Access(dict(passwords), "")
        groups = ensure_groups()
        for username, role in roles.PEOPLE.items():
            _ensure_person(access, username, mail_domain=mail_domain).groups.set([groups[role]])
        _ensure_person(access, roles.SUPERUSER, mail_domain=mail_domain, superuser=True)
        service, made = User.objects.get_or_create(username=roles.SERVICE_ACCOUNT)
        if made:
            service.set_unusable_password()
            service.save(update_fields=("password",))
            access.changes.append(f"made the service account {service}")
        service.groups.set([groups[roles.SERVICE_ROLE]])
        access.service_token = _ensure_token(access, service, service_token)
    return access


def ensure_groups() -> dict[str, Group]:
    """The groups by role, holding exactly the role's permissions. Raises ImproperlyConfigured."""
    known = {
        f"{app}.{codename}": pk
        for pk, app, codename in Permission.objects.values_list("pk", "content_type__app_label", "codename")
    }
    groups = {}
    for role, permissions in roles.ROLES.items():
        unknown = sorted(set(permissions) - set(known))
        if unknown:
            raise ImproperlyConfigured(f"The role {role} names permissions that do not exist: {', '.join(unknown)}")
        groups[role] = Group.objects.get_or_create(name=role)[0]
        groups[role].permissions.set([known[permission] for permission in permissions])
    return groups


def _ensure_person(access: Access, username: str, *, mail_domain: str, superuser: bool = False) -> User:
    user, made = User.objects.get_or_create(
        username=username, defaults={"email": f"{username}@{mail_domain}", "is_staff": True, "is_superuser": superuser}
    )
    if made:
        access.changes.append(f"made the user {username}")
    user.is_staff, user.is_superuser = True, superuser
    password = access.passwords.setdefault(username, secrets.token_urlsafe(12))
    if not user.check_password(password):
        user.set_password(password)
        if not made:
            access.changes.append(f"set the password of {username}")
    user.save()
    return user


def _ensure_token(access: Access, service: User, token: str | None) -> str:
    if token:
        stored = AuthToken.objects.filter(digest=hash_token(token), user=service).first()
        if stored is not None and (stored.expiry is None or stored.expiry > timezone.now()):
            return token
    access.changes.append(f"made a token for {service}")
    return str(AuthToken.objects.create(service, expiry=None)[1])
