"""Settings come from the environment; a wrong one is named with its value before anything runs."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import pytest

from forecasting import create_model
from include.settings import Settings, SettingsInvalid, get_settings


@pytest.fixture(autouse=True)
def _read_anew() -> Iterator[None]:
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def test_every_setting_has_a_default_and_says_what_it_means() -> None:
    assert all(field.description and not field.is_required() for field in Settings.model_fields.values())


def test_a_setting_is_read_from_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDCAST_BATCH_SIZE", "3")
    monkeypatch.setenv("GRIDCAST_QUANTILES", "[0.05, 0.5, 0.95]")
    monkeypatch.setenv("GRIDCAST_PORTAL_PUBLIC_URL", "https://portal.example.org/")
    settings = get_settings()
    assert (settings.batch_size, settings.quantiles) == (3, (0.05, 0.5, 0.95))
    assert settings.portal_public_url == "https://portal.example.org"


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("GRIDCAST_BATCH_SIZE", "0", "greater than or equal to 1"),
        ("GRIDCAST_BATCH_SIZE", "many", "valid integer"),
        ("GRIDCAST_TUNING_TRIALS", "-1", "greater than or equal to 0"),
        ("GRIDCAST_HORIZON", "a while", "no duration such as '48h'"),
        ("GRIDCAST_HORIZON", "NaT", "no duration such as '48h'"),
        ("GRIDCAST_HORIZON", "-48h", "no duration such as '48h'"),
        ("GRIDCAST_HORIZON", "99999d", "not between 1 hour and 14 days"),
        ("GRIDCAST_HORIZON", "15d", "not between 1 hour and 14 days"),
        ("GRIDCAST_HORIZON", "15min", "not between 1 hour and 14 days"),
        ("GRIDCAST_WEATHER_LEAD", "a day", "no duration such as '48h'"),
        ("GRIDCAST_WEATHER_LEAD", "15d", "more than 14 days"),
        ("GRIDCAST_ARTIFACTS_URL", "/srv/models", "has no scheme"),
        ("GRIDCAST_PORTAL_PUBLIC_URL", "javascript:alert(1)", "does not start with http"),
        ("GRIDCAST_QUANTILES", "[0.1, 0.9]", "median"),
        ("GRIDCAST_QUANTILES", "[0.9, 0.5]", "increase"),
        ("GRIDCAST_QUANTILES", "[0.5, 1.0]", "between 0 and 1"),
    ],
)
def test_a_wrong_variable_is_named_with_its_value(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsInvalid) as refused:
        get_settings()
    assert f"{variable}=" in str(refused.value)
    assert value.strip("[]") in str(refused.value)
    assert words in str(refused.value)


@pytest.mark.parametrize("horizon", ["48h", "90min", "7d", "14D", "36 h"])
def test_a_horizon_is_a_duration_as_the_library_reads_it(monkeypatch: pytest.MonkeyPatch, horizon: str) -> None:
    monkeypatch.setenv("GRIDCAST_HORIZON", horizon)
    model = create_model("seasonal_naive", timezone="UTC", horizon=get_settings().horizon)
    assert pd.Timedelta(hours=1) < model.settings.horizon <= pd.Timedelta(days=14)


def test_a_list_that_is_no_json_is_refused_with_the_way_to_write_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDCAST_QUANTILES", "0.1, 0.5, 0.9")
    with pytest.raises(SettingsInvalid, match=r"quantiles.*\[0\.1, 0\.5, 0\.9\]"):
        get_settings()


def test_all_wrong_variables_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDCAST_THREADS", "0")
    monkeypatch.setenv("GRIDCAST_SEED", "-1")
    with pytest.raises(SettingsInvalid, match=r"GRIDCAST_THREADS='0'.*GRIDCAST_SEED='-1'"):
        get_settings()
