"""What the demo prints at its end, all of it read from the portal's REST API."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from stack.assembly import Stack
from stack.demo_plan import Replay
from stack.portal_client import PortalClient

COLUMNS = ("mae", "mape", "pinball", "coverage_80")
ROWS_SHOWN = 4


def print_report(stack: Stack, replays: Sequence[Replay], *, say: Callable[[str], None]) -> None:
    """Per series: champion, errors against the seasonal naive, first rows of the forecast; then where to look."""
    password = stack.credentials["users"]["operator"]
    with PortalClient(stack.portal_url, username="operator", password=password) as operator:
        for replay in replays:
            say(f"\n{'─' * 100}")
            for line in describe_series(operator, replay.series):
                say(line)
    say(f"\n{'─' * 100}")
    latest = f"{stack.portal_url}/api/v1/forecasts/latest/?series={replays[0].series}"
    say("  make serve keeps this stack up on the data that is loaded now; then, with the token of secrets.json:")
    say(f"    curl -H \"Authorization: Token $TOKEN\" '{latest}'")
    say(f"  portal   {stack.portal_url}/admin/      REST API  {stack.portal_url}/api/docs/")
    say(f"  Airflow  {stack.airflow_url}            logs      {stack.home.logs}")
    say(f"  people's passwords and the service token: {stack.home.secrets_file}")


def describe_series(reader: PortalClient, series: str) -> list[str]:
    """The lines about one series."""
    champion = reader.get(f"models/{reader.get(f'series/{series}/')['champion']['id']}/")
    forecast = reader.get("forecasts/latest/", series=series)
    lines = [
        f"  {series}: champion v{champion['version']} {champion['kind']}, trained by {champion['trained_by']} as of "
        f"{champion['data_cutoff']}, approved by {champion['approved_by']}",
        "",
        _row("", ("MAE MW", "MAPE %", "pinball MW", "80 % coverage")),
        _metrics("backtest, champion", champion["evidence"]["metrics"]),
        _metrics("backtest, seasonal naive", champion["evidence"]["baseline"]),
    ]
    live, naive, runs = live_errors(reader.results("scores/", series=series))
    comparisons = [f"{compared(champion['evidence']['metrics'], champion['evidence']['baseline'])} in the backtest"]
    if runs:
        lines += [_metrics(f"live, {runs} issued forecasts", live), _metrics("live, seasonal naive", naive)]
        comparisons.append(f"{compared(live, naive)} live")
    lines += [
        "",
        f"    MAE against the seasonal naive: {', '.join(comparisons)}",
        "",
        f"  GET /api/v1/forecasts/latest/?series={series}",
        f"    issued {forecast['issue_time']}, rung {forecast['rung']}, unit {forecast['unit']}, "
        f"{len(forecast['values'])} values; the first {ROWS_SHOWN}:",
    ]
    return lines + [f"    {json.dumps(value)}" for value in forecast["values"][:ROWS_SHOWN]]


def live_errors(scores: Sequence[Mapping[str, Any]]) -> tuple[dict[str, float], dict[str, float], int]:
    """Mean errors of the issued forecasts and of the naive, weighted by their values, over each run's newest score."""
    newest: dict[int, Mapping[str, Any]] = {}
    for score in sorted(scores, key=lambda each: each["as_of"]):
        newest[score["forecast_run"]] = score
    own = _weighted([(score, score["n"]) for score in newest.values()])
    naive = _weighted([(score["baseline"], score["baseline"]["n"]) for score in newest.values() if score["baseline"]])
    return own, naive, len(newest)


def compared(own: Mapping[str, Any], naive: Mapping[str, Any]) -> str:
    """How much lower or higher the MAE is than the naive's."""
    mae, reference = own.get("mae"), naive.get("mae")
    if mae is None or not reference:
        return "unknown"
    difference = mae / reference - 1
    return f"{abs(difference):.0%} {'lower' if difference < 0 else 'higher'}".replace("%", " %")


def _weighted(parts: Sequence[tuple[Mapping[str, Any], int]]) -> dict[str, float]:
    means = {}
    for column in COLUMNS:
        known = [(part[column], n) for part, n in parts if part.get(column) is not None and n]
        if known:
            means[column] = sum(value * n for value, n in known) / sum(n for _, n in known)
    return means


def _metrics(name: str, metrics: Mapping[str, Any]) -> str:
    shown = []
    for column, form, scale in zip(COLUMNS, ("{:.1f}", "{:.2f}", "{:.1f}", "{:.0f} %"), (1, 1, 1, 100), strict=True):
        value = metrics.get(column)
        shown.append("–" if value is None else form.format(value * scale))
    return _row(name, shown)


def _row(name: str, cells: Sequence[str]) -> str:
    return f"    {name:<28}" + "".join(f"{cell:>16}" for cell in cells)
