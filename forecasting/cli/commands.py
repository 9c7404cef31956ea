"""What the commands do once their options are read. Results go to standard output or a file, all else to stderr."""

import argparse
import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from forecasting import persistence
from forecasting.backtesting import backtest as run_backtest
from forecasting.backtesting import daily_origins
from forecasting.calendar import check_timezone, checked_duration
from forecasting.cli.table import Columns, read_history
from forecasting.contracts import LOAD, YEARS, resolution_of, validate_history
from forecasting.errors import DataContractError, SettingsError
from forecasting.models.base import Forecaster
from forecasting.models.settings import SETTINGS
from forecasting.persistence import load_model
from forecasting.preprocessing import PROFILES, Preprocessed, Profile, preprocess, profile_of_evidence
from forecasting.registry import create_model
from forecasting.search_space import search_space

_log = logging.getLogger(__name__)
FATAL_CHECK_FAILED = 1


def train(options: argparse.Namespace) -> int:
    """Train a model on the loads known as of the issue time and save it."""
    model = _new_model(options)
    _check_tuning(options)
    _require_folder_for_a_model(options.output)
    prepared = _prepared(model, options.preprocessing, _known(_read(options), _as_of(options)))
    history = prepared.values
    model.validate(history)
    if options.validate_only:
        return _print_findings(history, model.parameters | {"kind": model.kind})
    model, study = _tuned(model, prepared.raw, options)
    done = {"preprocessing": prepared.evidence()} if prepared.profile.steps else {}
    _log.info("training %s on %d rows", model.kind, len(history))
    with _progress(total=2, what=f"train {model.kind}", unit="step") as bar:
        model.fit(history)
        bar.update()
        provenance = {"source": options.csv.name, "as_of": options.as_of, **study, **done}
        digest = model.save(options.output, provenance=provenance)
        bar.update()
    printed = {"model": str(options.output), "sha256": digest, "kind": model.kind, "training": model.training}
    _print_json({**printed, **study, **done})
    return 0


def backtest(options: argparse.Namespace) -> int:
    """Backtest a kind of model and write the report."""
    model = _new_model(options)
    _check_tuning(options)
    history = _known(_read(options), _as_of(options))
    model.validate(history)
    _require_folders(options.output, options.predictions)
    _require_room_for_a_folder(options.figures)
    if options.origins < 1 or options.every_days < 1:
        raise SettingsError(f"--origins {options.origins} and --every-days {options.every_days} must be at least 1")
    origins = daily_origins(
        history,
        timezone=options.timezone,
        horizon=model.settings.horizon,
        count=options.origins,
        every_days=options.every_days,
    )
    if options.validate_only:
        return _print_findings(
            history, model.parameters | {"kind": model.kind, "origins": [str(origin) for origin in origins]}
        )
    # What the backtest is to judge plays no part in the search.
    model, study = _tuned(model, history.loc[history.index < origins[0]], options)
    with _progress(total=len(origins), what=f"backtest {model.kind}", unit="origin") as bar:
        report = run_backtest(
            model,
            history,
            origins=origins,
            refit=options.refit,
            progress=lambda done, _: bar.update(done - bar.n),
            prepare=_preparation(model, options.preprocessing),
        )
    if options.predictions is not None:
        report.predictions.to_csv(options.predictions, index=False)
    if options.figures is not None:
        report.write_figures(options.figures)
    _print_json({**report.to_dict(), **study}, options.output)
    return 0


def forecast(options: argparse.Namespace) -> int:
    """Forecast with a saved model from the loads known as of the issue time."""
    _require_folders(options.output, options.explain)
    model = load_model(options.model, expected_sha256=options.sha256)
    table = _read(options)
    validate_history(table)
    step = resolution_of(table.index)
    horizon, own = model.settings.horizon, model.settings.horizon
    if options.horizon is not None:
        horizon = checked_duration("--horizon", options.horizon)
        if not step <= horizon <= 2 * own:
            raise SettingsError(
                f"--horizon {options.horizon} must be at least an interval, {step}, and at most twice the model's {own}"
            )
    last_load: pd.Timestamp = table.index[table[LOAD].notna()][-1]
    issue_time = _as_of(options) or last_load + step
    start = issue_time.ceil(step)
    future_index = pd.date_range(start, start + horizon, freq=step, inclusive="left")
    history = _known(table, issue_time)
    profile = options.preprocessing or _profile_of_training(options)
    history = _prepared(model, profile, history).values
    future = table.drop(columns=LOAD).reindex(future_index)
    model.validate_window(history, future)
    if options.validate_only:
        return _print_findings(history, model.parameters | {"kind": model.kind, "issue_time": str(issue_time)})
    values = model.predict(history, future)
    if options.explain is not None:
        options.explain.write_text(_by_valid_time(model.explain(history, future)))
    _write_forecast(values, options)
    return 0


def check(options: argparse.Namespace) -> int:
    """Run the data-quality checks."""
    from forecasting.quality import run_checks

    check_timezone(options.timezone)
    _require_folders(options.output)
    table = _read(options)
    validate_history(table)
    step = resolution_of(table.index)
    as_of = _as_of(options) or table.index[-1] + step
    history = _known(table, as_of)
    if options.validate_only:
        return _print_findings(history, {"timezone": options.timezone, "engines": options.engines})
    results = run_checks(
        history,
        timezone=options.timezone,
        resolution=step,
        as_of=as_of,
        engines=options.engines,
        report_directory=options.reports,
    )
    names = ("engine", "name", "status", "severity", "value", "threshold", "message")
    _print_json([{name: getattr(result, name) for name in names} for result in results], options.output)
    broken = [result for result in results if result.severity == "fatal" and result.status in {"failed", "error"}]
    for result in broken:
        sys.stderr.write(f"fatal: {result.name}: {result.message}\n")
    return FATAL_CHECK_FAILED if broken else 0


def _new_model(options: argparse.Namespace) -> Forecaster:
    hyperparameters = dict(options.hyperparameters)
    for name in ("kind", *SETTINGS):
        if name in hyperparameters:
            raise SettingsError(f"--set {name}: this is no hyper-parameter; use --{name.replace('_', '-')}")
    return create_model(options.kind, **{name: getattr(options, name) for name in SETTINGS}, **hyperparameters)


def _prepared(model: Forecaster, profile: str | Profile, history: pd.DataFrame) -> Preprocessed:
    place = {name: getattr(model.settings, name) for name in ("timezone", "country", "subdivision")}
    return preprocess(history, profile, **place)


def _preparation(model: Forecaster, profile: str) -> Callable[[pd.DataFrame], pd.DataFrame] | None:
    """What is done to the history before each origin; None where nothing is."""
    return (lambda history: _prepared(model, profile, history).values) if PROFILES[profile].steps else None


def _profile_of_training(options: argparse.Namespace) -> str | Profile:
    """The profile that `train` noted in the model's manifest."""
    manifest = persistence.read(options.model, expected_sha256=options.sha256).manifest
    noted = manifest.get("provenance", {}).get("preprocessing")
    return "raw" if noted is None else profile_of_evidence(noted)


def _check_tuning(options: argparse.Namespace) -> None:
    if options.tune == 0 and (options.tune_seconds is not None or options.study is not None):
        raise SettingsError("--tune-seconds and --study need --tune and a number of trials")
    if options.tune != 0:
        search_space(options.kind)


def _tuned(model: Forecaster, history: pd.DataFrame, options: argparse.Namespace) -> tuple[Forecaster, dict[str, Any]]:
    """The model with the hyper-parameters that a search found, and its study; without `--tune`, as it is."""
    if options.tune == 0:
        return model, {}
    from forecasting.tuning import tune

    given = dict(options.hyperparameters)
    with _progress(total=options.tune, what=f"tune {model.kind}", unit="trial") as bar:
        tuning = tune(
            model,
            history,
            trials=options.tune,
            space={name: span for name, span in search_space(model.kind).items() if name not in given},
            seconds=options.tune_seconds,
            storage=options.study,
            prepare=_preparation(model, options.preprocessing),
            progress=lambda done, _: bar.update(done - bar.n),
        )
    return tuning.model, {"tuning": tuning.study}


def _progress(*, total: int, what: str, unit: str) -> "tqdm[Any]":
    """A progress bar on standard error, for people only: a file or a pipe gets none."""
    return tqdm(total=total, desc=what, unit=unit, file=sys.stderr, disable=None)


def _require_folders(*files: Path | None) -> None:
    """Hours of work should not end at a folder that does not exist."""
    for file in files:
        if file is None:
            continue
        if not file.absolute().parent.is_dir():
            raise SettingsError(f"{file} cannot be written: there is no folder {file.absolute().parent}")
        if file.is_dir():
            raise SettingsError(f"{file} cannot be written: it is a folder")


def _require_room_for_a_folder(folder: Path | None) -> None:
    if folder is None or folder.is_dir():
        return
    if folder.exists():
        raise SettingsError(f"--figures {folder} is a file; name a folder, which may exist")
    _require_folders(folder)


def _require_folder_for_a_model(folder: Path) -> None:
    """Nor at a folder that holds something else; the same model once more is no harm."""
    if folder.exists() and not (folder / "manifest.json").exists():
        raise SettingsError(f"--output {folder} exists and is no model; name a new folder")


def _read(options: argparse.Namespace) -> pd.DataFrame:
    columns = Columns(
        time=options.time_column,
        load=options.load_column,
        temperature=options.temperature_column,
        covariates=tuple(options.covariate),
        timezone=options.csv_timezone,
    )
    return read_history(options.csv, columns=columns)


def _known(table: pd.DataFrame, as_of: pd.Timestamp | None) -> pd.DataFrame:
    """Rows whose interval is over at the issue time."""
    if as_of is None or len(table) < 2:
        return table
    known = table.loc[pd.DatetimeIndex(table.index) + resolution_of(table.index) <= as_of]
    if known.empty:
        raise DataContractError(
            f"no interval is over at --as-of {as_of}; the first starts at {table.index[0]}",
            rule="the issue time lies after the start of the data",
            value=str(as_of),
        )
    return known


def _as_of(options: argparse.Namespace) -> pd.Timestamp | None:
    if options.as_of is None:
        return None
    try:
        moment = pd.Timestamp(options.as_of)
    except ValueError as error:
        raise SettingsError(f"--as-of {options.as_of!r} is not an ISO 8601 time") from error
    if moment.tz is None:
        raise SettingsError(f"--as-of {options.as_of!r} has no UTC offset; write it like 2014-11-20T00:00:00Z")
    if not YEARS[0] <= moment.year < YEARS[1]:
        raise SettingsError(f"--as-of {options.as_of!r} must lie in the years {YEARS[0]} to {YEARS[1] - 1}")
    return moment.tz_convert("UTC")


def _print_findings(history: pd.DataFrame, settings: dict[str, Any]) -> int:
    frame = validate_history(history)
    step = resolution_of(frame.index)
    loads = frame[LOAD]
    _print_json(
        {
            "valid": True,
            "rows": len(frame),
            "start": frame.index[0].isoformat(),
            "end": (frame.index[-1] + step).isoformat(),
            "resolution": f"{step / pd.Timedelta(minutes=1):g}min",
            "missing_loads": int(loads.isna().sum()),
            "load_mw": {"min": float(loads.min()), "mean": float(loads.mean()), "max": float(loads.max())},
            "covariates": [column for column in frame.columns if column != LOAD],
            "settings": settings,
        }
    )
    return 0


def _write_forecast(values: pd.DataFrame, options: argparse.Namespace) -> None:
    by_name = "json" if options.output is not None and options.output.suffix == ".json" else "csv"
    if (options.format or by_name) == "json":
        moments = pd.DatetimeIndex(values.index).strftime("%Y-%m-%dT%H:%M:%SZ")
        levels = [f"{level:g}" for level in values.columns]
        rows = [
            {"valid_time": moment, **dict(zip(levels, row, strict=True))}
            for moment, row in zip(moments, values.to_numpy().tolist(), strict=True)
        ]
        _print_json(rows, options.output)
        return
    text = _by_valid_time(values.rename(columns=lambda level: f"{level:g}"))
    if options.output is None:
        sys.stdout.write(text)
    else:
        options.output.write_text(text)


def _by_valid_time(frame: pd.DataFrame) -> str:
    return str(frame.rename_axis("valid_time").to_csv(date_format="%Y-%m-%dT%H:%M:%SZ"))


def _print_json(content: Any, path: Path | None = None) -> None:
    text = json.dumps(content, indent=2, allow_nan=False, default=str) + "\n"
    if path is None:
        sys.stdout.write(text)
    else:
        path.write_text(text)
