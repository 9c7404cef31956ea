"""The reason that every decision needs, and what else a rollback is asked for."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from portal.registry.models import ModelVersion
from portal.registry.queries import retired_last_first


class DecisionForm(forms.Form):
    """Why a model is approved or rejected."""

    reason = forms.CharField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "autofocus": True}),
        max_length=2000,
        help_text="Stored with the decision for good: what in the figures decided it?",
    )


class EarlierChampionField(forms.ModelChoiceField):
    """A choice among the retired versions of a series."""

    def label_from_instance(self, model: Any) -> str:
        return f"version {model.version} ({model.kind}), approved {model.approved_at:%Y-%m-%d}"


class RollbackForm(DecisionForm):
    """Which version is champion again, and in place of which: the one that the page showed when it was asked."""

    to = EarlierChampionField(queryset=ModelVersion.objects.none(), widget=UnfoldAdminSelectWidget, label="Back to")
    champion = forms.ModelChoiceField(queryset=ModelVersion.objects.none(), widget=forms.HiddenInput)
    field_order = ("to", "reason", "champion")

    def __init__(self, *args: Any, series_id: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["to"].queryset = retired_last_first(series_id)  # type: ignore[attr-defined]
        self.fields["champion"].queryset = ModelVersion.objects.filter(series=series_id)  # type: ignore[attr-defined]
