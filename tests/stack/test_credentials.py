"""Passwords and keys are made once and kept to their owner."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from stack.credentials import KEYS, PEOPLE, load_credentials, write_private
from stack.errors import StackError


def test_credentials_are_made_once_and_stay(tmp_path: Path) -> None:
    path = tmp_path / "home" / "secrets.json"
    first = load_credentials(path)
    assert set(first["users"]) == set(PEOPLE)
    assert len({*first["users"].values(), *(first[key] for key in KEYS)}) == len(PEOPLE) + len(KEYS)
    assert load_credentials(path) == first


def test_only_the_owner_reads_them_even_when_the_file_was_opened_up(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    load_credentials(path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    load_credentials(path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_others_wrote_into_the_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    path.write_text(json.dumps({"service_token": "from the portal", "users": {"approver": "chosen by a person"}}))
    known = load_credentials(path)
    assert known["service_token"] == "from the portal"
    assert known["users"]["approver"] == "chosen by a person"
    assert known["users"]["forecaster"]


def test_the_fernet_key_is_one_that_airflow_can_use(tmp_path: Path) -> None:
    fernet = Fernet(load_credentials(tmp_path / "secrets.json")["airflow_fernet_key"])
    assert fernet.decrypt(fernet.encrypt(b"token")) == b"token"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"users": 3}'])
def test_a_damaged_file_is_named_and_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "secrets.json"
    path.write_text(text)
    with pytest.raises(StackError, match=r"secrets\.json"):
        load_credentials(path)
    assert path.read_text() == text


def test_a_private_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "valkey.conf"
    write_private(path, "first")
    write_private(path, "second")
    assert path.read_text() == "second"
    assert [each.name for each in tmp_path.iterdir()] == ["valkey.conf"]
