"""The form of a source: options are written as JSON, and whatever is wrong with them is said where it is."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.forms.fields import InvalidJSONInput
from django.utils.safestring import mark_safe
from unfold.widgets import UnfoldAdminTextareaWidget

from portal.series.models import Source


class OptionsField(forms.JSONField):
    """JSON on several lines; a slip in it is refused with its line."""

    widget = UnfoldAdminTextareaWidget(attrs={"rows": 14, "spellcheck": "false", "class": "gc-code"})

    def to_python(self, value: Any) -> Any:
        if value in self.empty_values:
            return None
        try:
            return json.loads(value, object_pairs_hook=_each_key_once)
        except json.JSONDecodeError as error:
            raise ValidationError(
                f"This is no JSON: {error.msg}, in line {error.lineno}, column {error.colno}.", code="invalid"
            ) from None
        except (ValueError, RecursionError) as error:
            raise ValidationError(f"This is no JSON that can be kept: {error}.", code="invalid") from None

    def bound_data(self, data: Any, initial: Any) -> Any:
        # As it was typed, whatever it is: a slip is mended in place.
        return InvalidJSONInput(data) if data is not None else None

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, InvalidJSONInput) else json.dumps(value, ensure_ascii=False, indent=2)


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{key} stands twice in one object")
        found[key] = value
    return found


class SourceForm(forms.ModelForm):
    """A source."""

    options = OptionsField(
        help_text=mark_safe(
            'JSON; <a href="#kinds" class="underline">what each kind takes</a> is described below, with an example'
        )
    )

    class Meta:
        model = Source
        fields = (
            "slug",
            "name",
            "kind",
            "feeds",
            "url",
            "connection",
            "options",
            "availability_delay",
            "enabled",
            "scheduled",
        )
        labels = {"url": "URL"}  # noqa: RUF012  # as Django has it

    def add_error(self, field: str | None, error: Any) -> None:
        """A field that could not be read at all is not judged by its former value too."""
        if field is None and isinstance(error, ValidationError) and hasattr(error, "error_dict"):
            fresh = {name: errors for name, errors in error.error_dict.items() if name not in self.errors}
            if not fresh:
                return
            # Of a field that this form has not, as a missing permission leaves it: said above the form.
            error = ValidationError({name if name in self.fields else NON_FIELD_ERRORS: fresh[name] for name in fresh})
        super().add_error(field, error)
