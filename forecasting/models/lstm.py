"""An LSTM over the last week with a quantile decoder; of one series, or one network of many.

The network reads the last week hour by hour and the features of each lead time, and says all quantiles of the change
against last week, in units of the usual one. It says zero before it has learned anything, which is the weekly naive.
Several series may share one network, each in its own scale (`fit_jointly`): a global model in the sense of
Montero-Manso & Hyndman (2021), which pays where each series is short.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd

from forecasting.contracts import LOAD, observed_span
from forecasting.errors import SettingsError
from forecasting.features import CONTEXT, direct_features, recent_hours, weekly_baseline
from forecasting.grid import Grid
from forecasting.linear import known_moments
from forecasting.models.paths import PathForecaster, horizon_steps
from forecasting.models.settings import Settings
from forecasting.network import Samples, Shape, built, quantiles, take_npz, to_npz, train
from forecasting.sampling import first_target, held_out_from, sequences

if TYPE_CHECKING:
    import keras

_WEIGHTS = "weights.npz"
_FACTS = "network.json"
_PAST_HOURS = 168
_PAST_CHANNELS = 3
_CYCLES = {"minute_of_day": 1440.0, "origin_minute_of_day": 1440.0, "weekday": 7.0, "day_of_year": 365.25}
_LARGEST_INPUT = 6.0
_JUDGED_DAYS = 10
_JUDGED_EVERY_DAYS = 80
_FEWEST_JUDGED = 20


@dataclass(frozen=True)
class Parameters:
    """Hyper-parameters of the network and its training."""

    units: int = 32
    decoder_units: int = 64
    hours_per_step: int = 6
    epochs: int = 20
    patience: int = 4
    learning_rate: float = 0.002
    batch_size: int = 64
    most_origins: int = 2500
    """Origins to learn from, spread evenly over the history: bounds the cost of long histories."""
    leads_per_origin: int = 32

    def __post_init__(self) -> None:
        for name in ("units", "decoder_units", "epochs", "patience", "batch_size", "most_origins", "leads_per_origin"):
            if getattr(self, name) < 1:
                raise SettingsError(f"lstm: {name} {getattr(self, name)} must be at least 1")
        if self.hours_per_step < 1 or _PAST_HOURS % self.hours_per_step:
            raise SettingsError(f"lstm: hours_per_step {self.hours_per_step} must divide the {_PAST_HOURS} hours read")
        if not 0 < self.learning_rate < 1:
            raise SettingsError(f"lstm: learning_rate {self.learning_rate} must be between 0 and 1")


@dataclass(frozen=True)
class Scaling:
    """How inputs become numbers around zero: MW of a usual change and load, `mean` and `scale` (f,) of the features."""

    change_mw: float
    load_mw: float
    mean: np.ndarray
    scale: np.ndarray

    def features(self, table: np.ndarray, pairs: tuple[int, ...]) -> np.ndarray:
        """From n·k rows, (n, k, f) for the network; what is not known counts as usual."""
        standard = np.clip((table - self.mean) / self.scale, -_LARGEST_INPUT, _LARGEST_INPUT)
        return np.nan_to_num(standard).astype("float32").reshape(*pairs, -1)

    def past(self, hours: np.ndarray, *, hours_per_step: int) -> np.ndarray:
        """From `recent_hours`, (n, hours, 2), with a third channel that says what is known: (n, steps, p)."""
        known = np.isfinite(hours[..., :1])
        scaled = np.nan_to_num(hours / np.array([self.change_mw, self.load_mw]))
        channels = np.concatenate([np.clip(scaled, -_LARGEST_INPUT, _LARGEST_INPUT), known], axis=-1)
        return channels.reshape(len(hours), _PAST_HOURS // hours_per_step, -1).astype("float32")


@dataclass(frozen=True)
class State:
    """The network of a series, the features it takes, and the scaling of its inputs and outputs."""

    network: "keras.Model"
    features: list[str]
    scaling: Scaling


@dataclass(frozen=True)
class _Lesson:
    """What one series teaches: n origins, k targets each, the features of the n·k pairs, the changes (n, k) in MW."""

    grid: Grid
    origins: np.ndarray
    targets: np.ndarray
    table: pd.DataFrame
    change: np.ndarray


class Lstm(PathForecaster):
    """LSTM over the last week, with a decoder for each lead time. `threads` holds as `forecasting.network` says."""

    kind: ClassVar[str] = "lstm"
    Parameters: ClassVar[type] = Parameters
    libraries: ClassVar[tuple[str, ...]] = ("holidays", "jax", "keras", "numpy", "pandas")
    context = CONTEXT

    def __init__(self, settings: Settings, hyperparameters: Mapping[str, Any]) -> None:
        super().__init__(settings, hyperparameters)
        self._given: Mapping[int, State] = {}

    def learn(self, grid: Grid, end: int) -> State:
        state = self._given[end] if end in self._given else learn_jointly([self], [grid], [end])[0]
        self.features = state.features
        return state

    def paths(self, state: State, grid: Grid, origins: np.ndarray, steps: int) -> np.ndarray:
        return self.quantile_paths(state, grid, origins, steps)[..., self.settings.quantiles.index(0.5)]

    def quantile_paths(self, state: State, grid: Grid, origins: np.ndarray, steps: int) -> np.ndarray:
        """What the network says of the `steps` intervals from each of n origins on, (n, steps, q) in MW."""
        targets = origins[:, None] + np.arange(steps)
        baseline, table = _ahead(grid, np.repeat(origins, steps), targets.ravel())
        # A column may be missing here: a holiday feature exists only where the axis has a holiday.
        values = table.reindex(columns=state.features, fill_value=0.0).to_numpy()
        said = quantiles(
            state.network, self._past(grid, origins, state.scaling), state.scaling.features(values, targets.shape)
        )
        return baseline.reshape(*targets.shape, 1) + state.scaling.change_mw * said

    def grid_of(self, history: pd.DataFrame) -> Grid:
        """The grid that `fit` would learn from."""
        frame = self.validate(history)
        self._covariates = tuple(column for column in frame.columns if column != LOAD)
        return self._grid(observed_span(frame))

    def fit_given(self, history: pd.DataFrame, given: Mapping[int, State]) -> Self:
        """Fit with states that were learned together with other series, by the end of what each was learned from."""
        self._given = given
        try:
            return self.fit(history)
        finally:
            self._given = {}

    def _past(self, grid: Grid, origins: np.ndarray, scaling: Scaling) -> np.ndarray:
        hours = recent_hours(grid, origins=origins, hours=_PAST_HOURS)
        return scaling.past(hours, hours_per_step=self.hyperparameters.hours_per_step)

    def _lesson(self, grid: Grid, end: int) -> _Lesson:
        chosen = self.hyperparameters
        origins, targets = sequences(
            grid,
            start=first_target(grid),
            end=end,
            horizon_steps=horizon_steps(self.settings, grid),
            most_origins=chosen.most_origins,
            leads=chosen.leads_per_origin,
            generator=np.random.default_rng(self.settings.seed),
        )
        starts = np.repeat(origins, targets.shape[1])
        # Learned from one year alone, the day of the year recalls single weeks of it.
        baseline, table = _ahead(grid, starts, targets.ravel(), seasons=grid.tells_seasons(end))
        return _Lesson(grid, origins, targets, table, grid.load[targets] - baseline.reshape(targets.shape))

    def pack(self, state: State) -> dict[str, bytes]:
        scaling = state.scaling
        facts = {
            "features": state.features,
            "change_mw": scaling.change_mw,
            "load_mw": scaling.load_mw,
            "mean": scaling.mean.tolist(),
            "scale": scaling.scale.tolist(),
        }
        return {_WEIGHTS: to_npz(state.network), _FACTS: json.dumps(facts, sort_keys=True).encode()}

    def unpack(self, files: Mapping[str, bytes]) -> State:
        facts = json.loads(files[_FACTS])
        network = built(self._shape(len(facts["features"])), seed=self.settings.seed, threads=self.settings.threads)
        take_npz(network, files[_WEIGHTS])
        scaling = Scaling(facts["change_mw"], facts["load_mw"], np.array(facts["mean"]), np.array(facts["scale"]))
        return State(network, facts["features"], scaling)

    def _shape(self, features: int) -> Shape:
        chosen = self.hyperparameters
        return Shape(
            steps=_PAST_HOURS // chosen.hours_per_step,
            past=chosen.hours_per_step * _PAST_CHANNELS,
            ahead=features,
            levels=self.settings.quantiles,
            units=chosen.units,
            decoder_units=chosen.decoder_units,
        )


def fit_jointly(models: Sequence[Lstm], histories: Sequence[pd.DataFrame]) -> list[Lstm]:
    """Train one network on several series and return the models, each with its own scaling and calibration.

    Each is a whole model afterwards: it forecasts, is saved and is loaded alone.

    Args:
        models: untrained, of the same quantiles, seed and hyper-parameters; places and covariates may differ.
        histories: one for each, as `fit` takes it.

    Raises:
        DataContractError: naming the row, the value and the rule.
        SettingsError: the models differ in what belongs to the network, or are not as many as the histories.
    """
    if len(models) != len(histories):
        raise SettingsError(f"{len(models)} models cannot learn from {len(histories)} histories: give one for each")
    shared = {(model.settings.quantiles, model.settings.seed, model.hyperparameters) for model in models}
    if len(shared) > 1:
        raise SettingsError("models that share a network must have the same quantiles, seed and hyper-parameters")
    if not models:
        return []
    grids = [model.grid_of(history) for model, history in zip(models, histories, strict=True)]
    ends = [len(grid.load) for grid in grids]
    splits = [held_out_from(grid, end) for grid, end in zip(grids, ends, strict=True)]
    judged, final = learn_jointly(models, grids, splits), learn_jointly(models, grids, ends)
    for number, (model, history) in enumerate(zip(models, histories, strict=True)):
        model.fit_given(history, {splits[number]: judged[number], ends[number]: final[number]})
    return list(models)


def learn_jointly(models: Sequence[Lstm], grids: Sequence[Grid], ends: Sequence[int]) -> list[State]:
    """One network of several series, each learned from the intervals before its end; a state per series.

    The first model's settings and hyper-parameters are those of the network.
    """
    lessons = [model._lesson(grid, end) for model, grid, end in zip(models, grids, ends, strict=True)]
    features = list(dict.fromkeys(name for lesson in lessons for name in lesson.table.columns))
    scalings, taught, judged = [], [], []
    for model, lesson in zip(models, lessons, strict=True):
        values = lesson.table.reindex(columns=features).to_numpy()
        scaling = _scaling(values, lesson)
        samples = Samples(
            past=model._past(lesson.grid, lesson.origins, scaling),
            ahead=scaling.features(values, lesson.targets.shape),
            target=(lesson.change / scaling.change_mw).astype("float32"),
        )
        early, late = _sides(lesson)
        scalings.append(scaling)
        taught.append(samples.take(early))
        judged.append(samples.take(late))
    first = models[0]
    chosen, settings = first.hyperparameters, first.settings
    network = built(first._shape(len(features)), seed=settings.seed, threads=settings.threads)
    train(
        network,
        Samples.joined(taught),
        judged_on=Samples.joined(judged),
        levels=settings.quantiles,
        epochs=chosen.epochs,
        patience=chosen.patience,
        learning_rate=chosen.learning_rate,
        batch_size=chosen.batch_size,
        generator=np.random.default_rng(settings.seed),
    )
    return [State(network, features, scaling) for scaling in scalings]


def _sides(lesson: _Lesson) -> tuple[np.ndarray, np.ndarray]:
    """Samples to train on, and those that say when to stop: ten days out of every eighty, nothing of them shared.

    So the network learns from every season and from the last weeks. A history too short for that stops by its end.
    """
    day = lesson.grid.steps_per_day
    first, last = lesson.origins, lesson.targets.max(axis=1)

    def apart(positions: np.ndarray) -> np.ndarray:
        return (positions // day) % _JUDGED_EVERY_DAYS >= _JUDGED_EVERY_DAYS - _JUDGED_DAYS

    late, early = apart(first) & apart(last), ~apart(first) & ~apart(last)
    if late.sum() < _FEWEST_JUDGED:
        bound = np.quantile(first, 0.8)
        late, early = first >= bound, last < bound
    # Horizons that are long against the history all cross the bound: better judged by what was taught than not at all.
    return np.flatnonzero(early if early.any() else late), np.flatnonzero(late)


def _scaling(table: np.ndarray, lesson: _Lesson) -> Scaling:
    """Learn the scaling of a series from its samples; `table` is (n·k, f)."""
    mean, spread = known_moments(table)
    load = lesson.grid.load[lesson.targets]
    # A load that never changes has no spread of its own: a thousandth of its size stands in, or one where it is zero.
    least = 1e-3 * float(np.abs(load).mean())
    return Scaling(
        change_mw=max(float(lesson.change.std()), least) or 1.0,
        load_mw=max(float(load.std()), least) or 1.0,
        mean=mean,
        scale=np.where(spread > 1e-9 * np.maximum(np.abs(mean), 1e-6), spread, 1.0),
    )


def _ahead(
    grid: Grid, origins: np.ndarray, targets: np.ndarray, *, seasons: bool = True
) -> tuple[np.ndarray, pd.DataFrame]:
    """The weekly naive of n pairs in MW, and their features."""
    baseline = weekly_baseline(grid, origins=origins, targets=targets)
    return baseline, _on_circles(
        direct_features(grid, origins=origins, targets=targets, baseline=baseline, seasons=seasons)
    )


def _on_circles(table: pd.DataFrame) -> pd.DataFrame:
    """Clock fields as points on a circle: a network does not know that 23:30 is next to 00:00."""
    columns: dict[str, Any] = {}
    for name, values in table.items():
        period = _CYCLES.get(str(name))
        if period is None:
            columns[str(name)] = values
            continue
        angle = 2 * math.pi * values / period
        columns |= {f"{name}_sin": np.sin(angle), f"{name}_cos": np.cos(angle)}
        if name == "weekday":
            columns |= {f"weekday_{day}": (values == day).astype(float) for day in range(7)}
        if name == "minute_of_day":
            columns |= {f"{name}_sin_2": np.sin(2 * angle), f"{name}_cos_2": np.cos(2 * angle)}
    return pd.DataFrame(columns)
