"""A run of the guard made again from what was known at its data cut-off, and held against the ledger."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from portal.core.columns import arrays_of, iso, to_datetime, to_us
from portal.forecasts.deadlines.fallback import going_on, naive_of
from portal.forecasts.deadlines.naive import TooLittleKnown
from portal.forecasts.incoming import Floats, Integers
from portal.forecasts.models import ForecastRun
from portal.forecasts.queries import run_values, runs

TOLERANCE = 1e-9
"""Relative, as the pipeline's command has it: other processors round the last bits of a sum in another way."""


class NotReproduced(Exception):
    """A run cannot be made again as it was published; the message names the first difference."""


class NotReproducible(Exception):
    """The library made the run; the message names the command that makes it again."""


@dataclass(frozen=True, kw_only=True)
class Reproduced:
    """A run that was made again with the same values, and from what."""

    run: ForecastRun
    origin: str
    largest_difference: float


def reproduce_run(run_id: int) -> Reproduced:
    """Make a run of the guard again and compare it with the ledger, whatever was corrected since.

    The levels are the run's own; clock, grid and `allows_export` are those of the series as it is now. Loads count that
    say of themselves that they were known at the cut-off. What copied an earlier run is compared with that run.

    Raises:
        NotReproduced: naming the first valid time and quantile that differ, with both values.
        NotReproducible: the guard did not publish it.
        ForecastRun.DoesNotExist: there is no such run.
    """
    run = runs().get(pk=run_id)
    if run.publisher != ForecastRun.Publisher.GUARD:
        raise NotReproducible(
            f"the {run.get_publisher_display().lower()} published it, as {run.rung}; it is made again by "
            f"`python -m include reproduce {run.pk}`, where the pipeline runs"
        )
    published_us, published = _published(run)
    if run.rung == ForecastRun.Rung.EARLIER_RUN:
        source = _copied_from(run)
        origin, note = f"as a copy of run {source.pk}", ""
        again_us, again = going_on(source, issue_time=run.issue_time)
    else:
        origin, note = f"from what was known at {iso(to_us(run.data_cutoff))}", _as_it_is_now(run)
        again_us, again = _computed_again(run)
    made = np.full(published.shape, np.nan)
    _, into, of = np.intersect1d(published_us, again_us, assume_unique=True, return_indices=True)
    made[into] = again[of]
    _compare(run, published_us, published, made, note=note)
    return Reproduced(run=run, origin=origin, largest_difference=float(np.abs(made - published).max()))


def _published(run: ForecastRun) -> tuple[Integers, Floats]:
    table, width = run_values(run), len(run.quantiles)
    quantiles = table.column("quantile").to_numpy()
    if table.num_rows != run.value_count or not np.array_equal(quantiles, np.resize(run.quantiles, table.num_rows)):
        raise NotReproduced(
            f"{_where(run)}, is not whole: of its {run.value_count} values of the quantiles {run.quantiles} "
            f"the ledger has {table.num_rows}, not in that order"
        )
    times_us, values = arrays_of(table)
    return times_us[::width], values.reshape(-1, width)


def _copied_from(run: ForecastRun) -> ForecastRun:
    """The newest run of the same model and data that was there to be copied, and goes on as far.

    Runs of a series are numbered under its lock, so in the order in which they came; `published_at` is not that exact.
    """
    earlier = runs().filter(
        pk__lt=run.pk,
        series=run.series,
        model=run.model,
        data_cutoff=run.data_cutoff,
        quantiles=run.quantiles,
        issue_time__lt=run.issue_time,
        valid_from__lte=run.valid_from,
        valid_until=run.valid_until,
    )
    source = earlier.first()
    if source is None:
        raise NotReproduced(f"{_where(run)}, cannot be compared: the run that it copied is not in the ledger any more")
    return source


def _computed_again(run: ForecastRun) -> tuple[Integers, Floats]:
    try:
        return naive_of(run.series, issue_time=run.data_cutoff, end=run.valid_until, levels=run.quantiles)
    except TooLittleKnown as little:
        raise NotReproduced(f"{_where(run)}, cannot be made again: {little}{_as_it_is_now(run)}") from little


def _where(run: ForecastRun) -> str:
    return f"Run {run.pk} of {run.series}, issued {iso(to_us(run.issue_time))} by {run.rung}"


def _as_it_is_now(run: ForecastRun) -> str:
    """What may have changed since, other than a value."""
    export = "allowed" if run.series.allows_export else "not allowed"
    return (
        f"; the clock, {run.series.timezone}, and export, {export}, are those of the series now, "
        "and loads stored later that count as known at the cut-off are in it"
    )


def _compare(run: ForecastRun, valid_us: Integers, published: Floats, made: Floats, *, note: str) -> None:
    same = np.isclose(made, published, rtol=TOLERANCE, atol=0.0)
    if same.all():
        return
    row, column = np.argwhere(~same)[0]
    raise NotReproduced(
        f"{_where(run)}, cannot be reproduced: {int((~same).sum())} of {same.size} values differ, the first at "
        f"{to_datetime(int(valid_us[row])).isoformat()}, quantile {run.quantiles[column]:g}: "
        f"published {published[row, column]:.12g}, made again {made[row, column]:.12g}{note}"
    )
