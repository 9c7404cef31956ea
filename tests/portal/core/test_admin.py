"""The admin's pages, whatever stands in their address."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

PAGES = sorted(f"{model._meta.app_label}_{model._meta.model_name}" for model in admin.site._registry)


@pytest.fixture
def superuser(make_user: Callable[..., User]) -> Client:
    client = Client()
    client.force_login(make_user(None, "root", is_staff=True, is_superuser=True))
    return client


@pytest.mark.parametrize("object_id", ["abc", "0", "9" * 30, "1_002", "\u0661"])
def test_the_page_of_no_record_leads_back_to_the_start(superuser: Client, object_id: str) -> None:
    for page in PAGES:
        answer = superuser.get(reverse(f"admin:{page}_change", args=(object_id,)))
        assert (answer.status_code, answer.headers["Location"]) == (302, reverse("admin:index")), page


def test_no_record_has_nothing_to_decide_about(superuser: Client) -> None:
    decided = [
        f"{model._meta.app_label}_{model._meta.model_name}_{action}"
        for model, model_admin in admin.site._registry.items()
        for action in getattr(model_admin, "actions_detail", ())
    ]
    assert "registry_modelversion_approve" in decided
    for page in decided:
        assert superuser.get(reverse(f"admin:{page}", args=("abc",))).status_code == 404, page
