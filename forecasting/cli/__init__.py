"""The command line: train, backtest, forecast and check a series in a CSV file, without Airflow or Django."""

from forecasting.cli.arguments import main

__all__ = ["main"]
