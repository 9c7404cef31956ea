"""Options of `python -m forecasting`, and how its errors reach the shell."""

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from forecasting.cli import commands
from forecasting.errors import ForecastingError
from forecasting.preprocessing import PROFILES
from forecasting.registry import available_models

BAD_INPUT = 2
"""Exit status of bad input, as of bad options."""
INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""

_EPILOG = (
    "exit status: 0 done; 1 a fatal data check failed; 2 bad input or options (one line says row, value and rule); "
    "130 interrupted"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status; errors of the input become one line on stderr."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        level=options.log_level.upper(), format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr, force=True
    )
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; what is left goes nowhere, lest the interpreter complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; nothing more is written\n")
        return INTERRUPTED
    except (ForecastingError, OSError) as error:
        logging.getLogger(__name__).debug("the error arose here", exc_info=True)
        reason = str(error)
        if isinstance(error, OSError) and error.filename is not None:
            reason = f"{error.filename}: {error.strerror}"
        sys.stderr.write(f"error: {reason}\n")
        return BAD_INPUT
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m forecasting",
        description="Forecast electricity demand from a CSV file.",
        epilog=_EPILOG,
    )
    subcommands = parser.add_subparsers(required=True, metavar="{train,backtest,forecast,check}")
    _add_train(subcommands)
    _add_backtest(subcommands)
    _add_forecast(subcommands)
    _add_check(subcommands)
    return parser


def _add_train(subcommands: Any) -> None:
    command = _command(subcommands, "train", "Train a model and save it to a directory.", commands.train)
    _data_options(command)
    _model_options(command)
    _preprocessing_option(command, default="raw")
    _tuning_options(command)
    command.add_argument("--output", type=Path, required=True, metavar="DIR", help="new directory for the model")


def _add_backtest(subcommands: Any) -> None:
    command = _command(
        subcommands, "backtest", "Forecast past days and score them against the naive.", commands.backtest
    )
    _data_options(command)
    _model_options(command)
    _preprocessing_option(command, default="raw")
    _tuning_options(command)
    command.add_argument("--origins", type=int, default=14, help="local midnights to forecast from (default 14)")
    command.add_argument("--every-days", type=int, default=1, help="days between them (default 1)")
    command.add_argument("--refit", action="store_true", help="train again at each origin")
    command.add_argument("--output", type=Path, metavar="FILE", help="JSON report (default: standard output)")
    command.add_argument("--predictions", type=Path, metavar="FILE", help="CSV of every forecast value")
    command.add_argument("--figures", type=Path, metavar="DIR", help="draw the report as PNG files in this folder")


def _add_forecast(subcommands: Any) -> None:
    command = _command(subcommands, "forecast", "Forecast with a saved model.", commands.forecast)
    _data_options(command)
    _preprocessing_option(command, default=None)
    command.add_argument("--model", type=Path, required=True, metavar="DIR", help="directory that `train` wrote")
    command.add_argument("--sha256", help="refuse the model unless its manifest has this SHA-256")
    command.add_argument("--horizon", help="how far to forecast, such as 24h (default: the model's horizon)")
    command.add_argument("--output", type=Path, metavar="FILE", help="CSV or JSON file (default: standard output)")
    command.add_argument("--format", choices=("csv", "json"), help="default: by the name of the file, else csv")
    command.add_argument(
        "--explain", type=Path, metavar="FILE", help="write what each group of features contributes, as CSV in MW"
    )


def _add_check(subcommands: Any) -> None:
    command = _command(subcommands, "check", "Check the quality of the data.", commands.check)
    _data_options(command)
    command.add_argument("--timezone", required=True, help="IANA timezone of the series")
    command.add_argument(
        "--engines", type=_engines, default=("builtin",), help="comma-separated: builtin, deepchecks, whylogs"
    )
    command.add_argument("--reports", type=Path, metavar="DIR", help="write the engines' reports here")
    command.add_argument("--output", type=Path, metavar="FILE", help="JSON results (default: standard output)")


def _command(subcommands: Any, name: str, purpose: str, run: Any) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = subcommands.add_parser(name, help=purpose, description=purpose, epilog=_EPILOG)
    command.set_defaults(run=run)
    command.add_argument(
        "--log-level", default="warning", choices=("debug", "info", "warning", "error"), help="default warning"
    )
    command.add_argument(
        "--validate-only", action="store_true", help="check data and settings, print what was found, and stop"
    )
    return command


def _data_options(command: argparse.ArgumentParser) -> None:
    data = command.add_argument_group("data")
    data.add_argument("csv", type=Path, help="CSV file (may be compressed) with a header")
    data.add_argument(
        "--time-column", default="timestamp", help="start of the interval, with UTC offset (default timestamp)"
    )
    data.add_argument("--csv-timezone", help="IANA timezone of timestamps without an offset")
    data.add_argument("--load-column", help="load in MW (default: load or load_mw)")
    data.add_argument("--temperature-column", help="temperature in °C (default: temperature or temperature_c, if any)")
    data.add_argument(
        "--covariate", action="append", default=[], metavar="COLUMN", help="another numeric column; may be repeated"
    )
    data.add_argument(
        "--as-of", help="issue time (ISO 8601 with offset): loads of intervals that end later are not used"
    )


def _preprocessing_option(command: argparse.ArgumentParser, *, default: str | None) -> None:
    command.add_argument(
        "--preprocessing",
        choices=tuple(PROFILES),
        default=default,
        help=f"what is done to the history first (default: {default or 'as for the training of the model'})",
    )


def _model_options(command: argparse.ArgumentParser) -> None:
    model = command.add_argument_group("model")
    model.add_argument("--kind", default="auto", choices=available_models(), help="default auto")
    model.add_argument("--timezone", required=True, help="IANA timezone of the series, such as Europe/London")
    model.add_argument("--country", help="ISO 3166 code, for public holidays")
    model.add_argument("--subdivision", help="state or region, for its holidays")
    model.add_argument("--latitude", type=float, help="degrees north, for daylight; with --longitude")
    model.add_argument("--longitude", type=float, help="degrees east")
    model.add_argument("--horizon", default="48h", help="longest lead time (default 48h)")
    model.add_argument(
        "--known-future",
        action="append",
        default=[],
        metavar="COVARIATE",
        help="this column will be known ahead when forecasting, such as a trusted weather forecast (default: none); "
        "may be repeated",
    )
    model.add_argument(
        "--quantiles", type=_quantiles, default=(0.1, 0.5, 0.9), help="comma-separated (default 0.1,0.5,0.9)"
    )
    model.add_argument("--seed", type=int, default=0)
    model.add_argument("--threads", type=int, default=1, help="CPU threads for training (default 1)")
    model.add_argument(
        "--set",
        dest="hyperparameters",
        type=_setting,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="hyper-parameter of the kind; may be repeated",
    )


def _tuning_options(command: argparse.ArgumentParser) -> None:
    tuning = command.add_argument_group("tuning", "search the hyper-parameters that --set leaves free, before all else")
    tuning.add_argument(
        "--tune", type=int, default=0, metavar="TRIALS", help="judge so many on past days; the first is the default"
    )
    tuning.add_argument("--tune-seconds", type=float, metavar="SECONDS", help="start no further trial after so long")
    tuning.add_argument(
        "--study", type=Path, metavar="DIR", help="keep the search here: the same command resumes it if interrupted"
    )


def _engines(text: str) -> tuple[str, ...]:
    from forecasting.quality import ENGINES

    names = tuple(text.split(","))
    if not set(names) <= set(ENGINES) or len(set(names)) != len(names):
        raise argparse.ArgumentTypeError(f"{text!r} is not a comma-separated list of {', '.join(ENGINES)}, each once")
    return names


def _quantiles(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a comma-separated list of numbers") from None


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    try:
        if equals:
            return name, json.loads(value)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE with a number as value")
