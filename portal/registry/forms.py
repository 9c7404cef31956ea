"""The reason that every decision needs."""

from __future__ import annotations

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget


class DecisionForm(forms.Form):
    """Why a model is approved or rejected."""

    reason = forms.CharField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "autofocus": True}),
        max_length=2000,
        help_text="Stored with the decision for good: what in the figures decided it?",
    )
