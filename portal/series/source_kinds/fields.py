"""The fields of options, strict: nothing that is not written as it is meant is taken for it.

Their messages end the sentence that `portal.series.source_kinds.faults` begins with the key and the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from difflib import get_close_matches
from math import isfinite
from typing import Any

from django.core.exceptions import ValidationError as ModelValidationError
from rest_framework import serializers

from portal.core.resolution import format_duration, parse_duration
from portal.series.validators import validate_resolution

MOST_COLUMNS = 1000


class Text(serializers.CharField):
    """A text that says something; a number is none."""

    default_error_messages = {  # noqa: RUF012  # as fields have it
        "invalid": "must be a text",
        "blank": "must not be empty",
        "null": "must be a text",
        "max_length": "must have at most {max_length} characters",
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"trim_whitespace": False, "max_length": 200, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        if not self.allow_blank and not data.strip():
            self.fail("blank")
        return super().to_internal_value(data)


class Pattern(Text):
    """A text of a form, which `form` tells in words."""

    def __init__(self, pattern: str, *, form: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.validators.append(_matching(pattern, form))


class Choice(serializers.ChoiceField):
    """One of a few words."""

    def __init__(self, *words: str, **kwargs: Any) -> None:
        super().__init__(choices=words, **kwargs)
        message = f"must be {listed(words)}"
        self.error_messages |= {"invalid_choice": message, "null": message}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or data not in self.choices:
            self.fail("invalid_choice")
        return data


class Number(serializers.Field[float, Any, Any, Any]):
    """A finite number, other than 0 unless `zero` is; a text of digits is none."""

    def __init__(
        self, *, zero: bool = True, least: float | None = None, most: float | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.zero, self.least, self.most = zero, least, most
        what = "" if least is None else f" from {least:g} to {most:g}"
        message = f"must be a number{what or (' other than 0' if not zero else '')}"
        self.error_messages |= {"invalid": message, "null": message}

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("invalid")
        try:
            number = float(data)
        except OverflowError:
            self.fail("invalid")
        outside = self.least is not None and self.most is not None and not self.least <= number <= self.most
        if not isfinite(number) or (number == 0 and not self.zero) or outside:
            self.fail("invalid")
        return number

    def to_representation(self, value: float) -> float:
        return value


class Duration(serializers.Field[timedelta, Any, Any, Any]):
    """A duration such as PT15M; on a `grid`, one that divides a day."""

    default_error_messages = {  # noqa: RUF012
        "invalid": "must be a duration of days, hours and minutes such as “PT15M”",
        "null": "must be a duration of days, hours and minutes such as “PT15M”",
        "grid": "must be a whole number of minutes that divides a day",
    }

    def __init__(self, *, grid: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.grid = grid

    def to_internal_value(self, data: Any) -> timedelta:
        if not isinstance(data, str) or not data.isascii():
            self.fail("invalid")
        try:
            duration = parse_duration(data)
        except ValueError:
            self.fail("invalid")
        try:
            if self.grid:
                validate_resolution(duration)
        except ModelValidationError:
            self.fail("grid")
        return duration

    def to_representation(self, value: timedelta) -> str:
        return format_duration(value)


class Texts(serializers.ListField):
    """A list of texts, an empty one among them where it means something."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(child=Text(allow_blank=True), max_length=50, **kwargs)
        message = "must be a list of texts"
        self.error_messages |= {
            "not_a_list": message,
            "null": message,
            "max_length": "must have at most {max_length} texts",
        }


class Integers(serializers.ListField):
    """A list of at least one whole number within bounds; a text of digits, or a truth, is none."""

    def __init__(self, *, least: int, most: int, **kwargs: Any) -> None:
        super().__init__(allow_empty=False, max_length=most - least + 1, **kwargs)
        self.least, self.most = least, most
        message = f"must be a list of whole numbers from {least} to {most}, such as [{least}, {least + 1}]"
        self.error_messages |= dict.fromkeys(("not_a_list", "null", "empty", "max_length", "invalid"), message)

    def run_child_validation(self, data: list[Any]) -> list[int]:
        if not all(type(each) is int and self.least <= each <= self.most for each in data):
            self.fail("invalid")
        return data


class StrictList(serializers.ListSerializer[Any]):
    """A list of objects."""

    default_error_messages = {  # noqa: RUF012
        "empty": "must be a list of at least one object, [{…}]",
        "not_a_list": "must be a list of objects, [{{…}}]",
        "null": "must be a list of objects, [{{…}}]",
        "max_length": "must have at most {max_length} entries",
    }


class Strict(serializers.Serializer[dict[str, Any]]):
    """Named values, and no others: a key with a slip in it is refused by its name, not dropped in silence."""

    default_error_messages = {"null": "must be an object, {{…}}"}  # noqa: RUF012

    class Meta:
        list_serializer_class = StrictList

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, Mapping):
            raise serializers.ValidationError({"non_field_errors": ["must be an object, {…}"]})
        errors: dict[str, Any] = {}
        value: dict[str, Any] = {}
        try:
            value = super().to_internal_value(data)
        except serializers.ValidationError as error:
            errors |= error.detail  # type: ignore[arg-type]  # a serializer's is a dict
        errors |= {
            key: serializers.ErrorDetail(self._no_such(key), code="unknown") for key in data if not self._has(key)
        }
        if errors:
            raise serializers.ValidationError(errors)
        return value

    def _has(self, key: str) -> bool:
        return key in self.fields

    def _no_such(self, key: str) -> str:
        near = get_close_matches(key, self.fields, n=1, cutoff=0.7)
        return f"did you mean {near[0]}?" if near else f"there are {', '.join(self.fields)}."


def listed(words: Sequence[str]) -> str:
    """Words as a message lists them: “start” or “end”."""
    quoted = [f"“{word}”".replace("\t", "\\t") for word in words]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def _matching(pattern: str, form: str) -> Callable[[str], None]:
    compiled = re.compile(pattern, re.ASCII)

    def check(text: str) -> None:
        if compiled.fullmatch(text) is None:
            raise serializers.ValidationError(f"must be {form}")

    return check
