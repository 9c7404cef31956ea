"""Bodies of JSON as the API takes them: each field known, each refusal with its way out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Model, QuerySet
from rest_framework import serializers

from portal.core.given import shown


class Body(serializers.Serializer[Any]):
    """A body in which a field that there is not, or that cannot be set, is refused rather than passed over."""

    passed_over: tuple[str, ...] = ()
    """Read-only fields that may come all the same: what was read can be sent back whole."""

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        for field in fields.values():
            if isinstance(field, serializers.ChoiceField):
                names = ", ".join(str(choice) for choice in field.choices if choice != "")
                field.error_messages["invalid_choice"] = f'"{{input}}" is none of {names}.'
        return fields

    def to_internal_value(self, data: Any) -> Any:
        refused = self._not_to_be_set(data) if isinstance(data, Mapping) else {}
        try:
            value = super().to_internal_value(data)
        except serializers.ValidationError as error:
            if refused and isinstance(error.detail, dict):
                raise serializers.ValidationError({**error.detail, **refused}) from None
            raise
        if refused:
            raise serializers.ValidationError(refused)
        return value

    def _not_to_be_set(self, data: Mapping[str, Any]) -> dict[str, Any]:
        settable = [name for name, field in self.fields.items() if not field.read_only]
        way_out = f"what can be given is {', '.join(settable)}."
        refused: dict[str, Any] = {}
        for name in data:
            if name not in self.fields:
                message, rule = f"There is no field {shown(name)}; {way_out}", "unknown_field"
            elif name not in settable and name not in self.passed_over:
                message, rule = f"The field {name} is read-only; {way_out}", "read_only"
            else:
                continue
            refused[name] = [serializers.ErrorDetail(message, code=rule)]
        return refused


class NamedField(serializers.SlugRelatedField[Any]):
    """A record by the name that other programs know it by."""

    default_error_messages = {  # noqa: RUF012
        "does_not_exist": "There is no {what} {value!r}.",
        "invalid": "The {what} is named by a text.",
    }

    def __init__(self, *, what: str = "", **kwargs: Any) -> None:
        """`what` it is called, where the name of its model says too little."""
        super().__init__(**kwargs)
        self._what = what

    def to_internal_value(self, data: Any) -> Model:
        known = _known_to(self)
        what = self._what or str(known.model._meta.verbose_name)
        if not isinstance(data, str):
            self.fail("invalid", what=what)
        found = known.filter(**{str(self.slug_field): data}).first() if "\0" not in data else None
        if found is None:
            self.fail("does_not_exist", what=what, value=shown(data))
        return found


class NumberedField(serializers.PrimaryKeyRelatedField[Any]):
    """A record by its id."""

    default_error_messages = {  # noqa: RUF012
        "does_not_exist": "There is no {what} {value}.",
        "invalid": "The id of the {what} is a whole number.",
    }

    def to_internal_value(self, data: Any) -> Model:
        known = _known_to(self)
        what = str(known.model._meta.verbose_name)
        # A text of digits, as before; the digits of int64.
        is_number = isinstance(data, int) and not isinstance(data, bool)
        if not is_number and not (isinstance(data, str) and data.isascii() and data.isdigit() and len(data) < 20):
            self.fail("invalid", what=what)
        found = known.filter(pk=int(data)).first()
        if found is None:
            self.fail("does_not_exist", what=what, value=data)
        return found


def _known_to(field: serializers.RelatedField[Any, Any, Any]) -> QuerySet[Any]:
    known = field.get_queryset()
    assert known is not None, "a field that is not read-only has its records"  # noqa: S101
    return known
