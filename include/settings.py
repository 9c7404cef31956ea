"""Settings of the pipeline, from environment variables GRIDCAST_…; a wrong one is named when they are read."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import cache
from pathlib import Path

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from include.errors import Refusal

_UNITS = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_LONGEST = timedelta(days=14)


class SettingsInvalid(Refusal):
    """An environment variable has a value that is not allowed; the message names it."""


class Settings(BaseSettings):
    """Every setting with its default. Read them in a task, never while a DAG file is parsed."""

    model_config = SettingsConfigDict(env_prefix="GRIDCAST_", frozen=True, extra="ignore")

    portal_conn_id: str = Field("portal_default", description="Airflow connection of the portal: address and token")
    portal_public_url: str = Field("http://127.0.0.1:8000", description="Address of the portal as people open it")
    portal_timeout_seconds: float = Field(60.0, gt=0, description="Longest wait for one answer of the portal")
    portal_attempts: int = Field(5, ge=1, description="How often a call is tried while the portal is unreachable")
    artifacts_url: str = Field(
        "file:///tmp/gridcast/artifacts",
        description="fsspec URL below which models are stored, such as file:///srv/models or s3://bucket/models",
    )
    data_url: str = Field("file:///tmp/gridcast/data", description="fsspec URL to which the sources' URLs are relative")
    batch_size: int = Field(20, ge=1, le=1000, description="Series per mapped task; one Airflow task costs a second")
    source_batch_size: int = Field(5, ge=1, le=1000, description="Sources per mapped task, read one after the other")
    threads: int = Field(1, ge=1, description="CPU threads that one training may use")
    horizon: str = Field("48h", description="How far is forecast, such as 48h, 90min or 7d")
    quantiles: tuple[float, ...] = Field((0.1, 0.5, 0.9), description="Levels that are forecast")
    seed: int = Field(0, ge=0, description="Seed of everything random in a training")
    backtest_origins: int = Field(14, ge=1, description="Daily origins held out for a candidate's evidence")
    tuning_trials: int = Field(
        0, ge=0, le=1000, description="Trials of the hyper-parameter search before each training; 0 searches nothing"
    )
    tuning_folder: Path | None = Field(
        None,
        description="Folder of the worker in which an unfinished search is kept, so that the next try resumes it; "
        "without one it begins anew",
    )
    training_days: int = Field(730, ge=21, description="Days of history that a training sees")
    context_days: int = Field(35, ge=14, description="Days of history that a forecast starts from")
    weather_lead: str = Field(
        "24h",
        description="Weather of the past is taken as it was forecast so long ahead, such as 24h, where that is stored",
    )
    check_days: int = Field(28, ge=7, description="Days of history that a check run looks at")
    accuracy_days: int = Field(14, ge=1, le=3660, description="Rolling accuracy is that of so many days before as_of")
    drift_ratio: float = Field(
        1.5, ge=1, le=100, description="Drift: so many times the error of the champion's own backtest"
    )
    drift_runs: int = Field(7, ge=1, description="Of fewer scored runs nothing is said")
    retrain_days: int = Field(2, ge=1, description="Drift asks for no training while one so recent is registered")
    fallback_hours: int = Field(24, ge=1, description="Hours that an earlier run must still cover to be issued again")
    ingest_days: int = Field(
        35, ge=1, description="Days before its interval in which a scheduled ingest looks for news"
    )
    source_timeout_seconds: float = Field(60.0, gt=0, description="Longest silence of a source's service or database")
    source_attempts: int = Field(5, ge=1, description="How often a source's service is asked while it gives no answer")
    source_pause_seconds: float = Field(2.0, ge=0, description="Pause before it is asked again; it doubles from there")
    ingest_days_per_request: int = Field(92, ge=1, description="Whole days of observations in one request")
    ingest_max_bytes: int = Field(
        1 << 30, ge=1, description="What one file of a source may hold, unpacked; a larger one is refused"
    )

    @property
    def ingest_lookback(self) -> timedelta:
        return timedelta(days=self.ingest_days)

    @property
    def weather_lead_time(self) -> timedelta:
        return _duration(self.weather_lead)

    @field_validator("horizon")
    @classmethod
    def _is_horizon(cls, horizon: str) -> str:
        if not timedelta(hours=1) <= _duration(horizon) <= _LONGEST:
            raise ValueError(f"{horizon!r} is not between 1 hour and 14 days")
        return horizon

    @field_validator("weather_lead")
    @classmethod
    def _is_lead(cls, lead: str) -> str:
        if not _duration(lead) <= _LONGEST:
            raise ValueError(f"{lead!r} is more than 14 days")
        return lead

    @field_validator("quantiles")
    @classmethod
    def _are_levels(cls, quantiles: tuple[float, ...]) -> tuple[float, ...]:
        if sorted(set(quantiles)) != list(quantiles) or not all(0 < level < 1 for level in quantiles):
            raise ValueError("levels increase and lie between 0 and 1")
        if 0.5 not in quantiles:
            raise ValueError("the median, 0.5, is not among them")
        return quantiles

    @field_validator("artifacts_url", "data_url")
    @classmethod
    def _is_url(cls, url: str) -> str:
        if "://" not in url:
            raise ValueError(f"{url!r} has no scheme; a folder is written file:///path")
        return url.rstrip("/")

    @field_validator("portal_public_url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"{url!r} does not start with http:// or https://")
        return url.rstrip("/")


def _duration(text: str) -> timedelta:
    # Not by pandas, whose import would burden every process that reads the settings.
    written = re.fullmatch(r"(\d{1,5}) ?(min|h|d)", text.lower())
    if written is None:
        raise ValueError(f"{text!r} is no duration such as '48h': whole min, h or d")
    return int(written[1]) * _UNITS[written[2]]


@cache
def get_settings() -> Settings:
    """The settings of this process.

    Raises:
        SettingsInvalid: naming each wrong variable, its value and what is allowed.
    """
    try:
        return Settings()
    except SettingsError as error:
        # A text that is no JSON where a list is expected; the error itself names only the field.
        raise SettingsInvalid(f"Wrong settings: {error}; a list is written as JSON: [0.1, 0.5, 0.9]") from None
    except ValidationError as error:
        wrong = "; ".join(
            f"GRIDCAST_{'_'.join(str(part) for part in fault['loc'][:1]).upper()}={fault['input']!r}: {fault['msg']}"
            for fault in error.errors()
        )
        raise SettingsInvalid(f"Wrong settings: {wrong}") from None
