"""Secrets live in Airflow's connections: one that is written into a source is refused, and not repeated."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

WAY_OUT = (
    "the portal keeps no secrets; store it in an Airflow connection (Admin → Connections) and name that one's id under "
    "connection"
)
_WORDS = (
    "api_?key|access_?key|account_?key|private_?key|secret|pass(?:word|wd|phrase)?|pwd|credentials?|security_?token"
    "|access_?token|auth_?token|token|bearer|authorization|sas|sig(?:nature)?|x_amz_signature"
)
_NAME = re.compile(rf"(?:.*_)?(?:{_WORDS})(?:_.*)?", re.IGNORECASE)
_USERINFO = re.compile(r"://[^/\s?#@]*:[^/\s?#@]+@", re.ASCII)
_USERINFO_OF_THE_WEB = re.compile(r"\bhttps?://[^/\s?#@]+@", re.ASCII | re.IGNORECASE)
_PARAMETER = re.compile(r"[?&]([^=&\s]+)=")


def names_a_secret(key: str) -> bool:
    """Whether a key is one under which people keep secrets."""
    return _NAME.fullmatch(re.sub(r"[-\s.]", "_", key)) is not None


def holds_a_secret(text: str) -> bool:
    """Whether a text has a URL with a password, or with a key among its parameters."""
    if _USERINFO.search(text) or _USERINFO_OF_THE_WEB.search(text):
        return True
    return any(names_a_secret(name) for name in _PARAMETER.findall(text))


def secrets_in(value: Any, path: str = "", *, levels: int = 16) -> Iterator[str]:
    """Where in options, down to some levels, there is a secret, as ``columns[0].api_key``."""
    if levels == 0:
        return
    if isinstance(value, Mapping):
        for key, inner in value.items():
            where = f"{path}.{key}".removeprefix(".")
            if names_a_secret(key):
                yield where
            else:
                yield from secrets_in(inner, where, levels=levels - 1)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from secrets_in(inner, f"{path}[{index}]", levels=levels - 1)
    elif isinstance(value, str) and holds_a_secret(value):
        yield path
