"""An LSTM encoder with a quantile decoder (Keras 3 on JAX), many lead times at once.

Hochreiter & Schmidhuber (1997) read the last three days hour by hour; a small decoder joins what they say with the
features of each lead time and gives all quantiles of the change against last week, in the manner of the multi-horizon
quantile networks of Wen et al. (2017). The output starts at zero, that is at the weekly naive, so a training that
learns little does little harm. Early stopping on the held-out end of the history says how many epochs; the final
network is trained on all of it for as many.
"""

import io
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from forecasting.conformal import LeadTimeCalibration
from forecasting.contracts import Window
from forecasting.errors import ForecastingError, SettingsError
from forecasting.features import CONTEXT, direct_features, recent_hours, weekly_baseline
from forecasting.grid import Grid, tells_seasons
from forecasting.models.base import Forecaster
from forecasting.sampling import first_target, held_out_from, sequences

# Keras chooses its backend when it is first imported.
os.environ.setdefault("KERAS_BACKEND", "jax")
import keras

_WEIGHTS = "weights.npz"
_CALIBRATION = "calibration.json"
_FACTS = "facts.json"
_PAST_HOURS = 72
_CYCLES = {"minute_of_day": 1440.0, "origin_minute_of_day": 1440.0, "weekday": 7.0, "day_of_year": 365.25}
_LARGEST_INPUT = 6.0


@dataclass(frozen=True)
class Parameters:
    """Hyper-parameters of the network and its training."""

    units: int = 32
    decoder_units: int = 64
    epochs: int = 30
    patience: int = 4
    learning_rate: float = 0.001
    batch_size: int = 64
    most_origins: int = 2500
    """Origins to learn from, spread evenly over the history: bounds the cost of long histories."""
    leads_per_origin: int = 32

    def __post_init__(self) -> None:
        for name in ("units", "decoder_units", "epochs", "patience", "batch_size", "most_origins", "leads_per_origin"):
            if getattr(self, name) < 1:
                raise SettingsError(f"lstm: {name} {getattr(self, name)} must be at least 1")
        if not 0 < self.learning_rate < 1:
            raise SettingsError(f"lstm: learning_rate {self.learning_rate} must be between 0 and 1")


@dataclass(frozen=True)
class _Scaling:
    """How inputs become numbers around zero: `scale_mw` for loads, `mean` and `scale` (f,) for the features."""

    scale_mw: float
    mean: np.ndarray
    scale: np.ndarray

    def features(self, table: np.ndarray) -> np.ndarray:
        standard = np.clip((table - self.mean) / self.scale, -_LARGEST_INPUT, _LARGEST_INPUT)
        return np.nan_to_num(standard).astype("float32")

    def past(self, hours: np.ndarray) -> np.ndarray:
        known = np.isfinite(hours[..., :1])
        scaled = np.clip(np.nan_to_num(hours / self.scale_mw), -_LARGEST_INPUT, _LARGEST_INPUT)
        return np.concatenate([scaled, known], axis=-1).astype("float32")


@dataclass(frozen=True)
class _Samples:
    """n origins with k lead times: `past` (n, hours, 3), `ahead` (n, k, f), `change` (n, k) in units of the scale."""

    past: np.ndarray
    ahead: np.ndarray
    change: np.ndarray

    def take(self, rows: np.ndarray) -> "_Samples":
        return _Samples(self.past[rows], self.ahead[rows], self.change[rows])


class Lstm(Forecaster):
    """LSTM over the last three days with a decoder per lead time; XLA sizes its own thread pool, not by `threads`."""

    kind: ClassVar[str] = "lstm"
    Parameters: ClassVar[type] = Parameters
    libraries: ClassVar[tuple[str, ...]] = ("holidays", "jax", "keras", "numpy", "pandas")

    def _fit(self, history: pd.DataFrame, grid: Grid) -> None:
        chosen = self.hyperparameters
        rows = len(history)
        generator = np.random.default_rng(self.settings.seed)
        split = held_out_from(grid, rows)

        def draw(start: int, end: int) -> tuple[np.ndarray, np.ndarray]:
            return sequences(
                grid,
                start=start,
                end=end,
                horizon_steps=int(self.settings.horizon / pd.Timedelta(minutes=grid.minutes)),
                most_origins=chosen.most_origins,
                leads=chosen.leads_per_origin,
                generator=generator,
            )

        origins, targets = draw(first_target(grid), rows)
        if not (targets.max(axis=1) < split).any() or not (origins >= split).any():
            # A horizon that is long against the history: all samples cross the split, so each side gets its own.
            sides = draw(first_target(grid), split), draw(split, rows)
            origins, targets = (np.concatenate(parts) for parts in zip(*sides, strict=True))
        flat_origins, flat_targets = np.repeat(origins, targets.shape[1]), targets.ravel()
        baseline = weekly_baseline(grid, origins=flat_origins, targets=flat_targets)
        pairs = direct_features(
            grid, origins=flat_origins, targets=flat_targets, baseline=baseline, seasons=tells_seasons(history)
        )
        table = _inputs(pairs)
        self.features = list(table.columns)
        change = grid.load[flat_targets] - baseline
        past = recent_hours(grid, origins=origins, hours=_PAST_HOURS)
        early, late = np.flatnonzero(targets.max(axis=1) < split), np.flatnonzero(origins >= split)
        values = table.to_numpy()
        self._scaling = _scaling(values.reshape(*targets.shape, -1)[early], change.reshape(targets.shape)[early], grid)
        samples = _Samples(
            past=self._scaling.past(past),
            ahead=self._scaling.features(values).reshape(*targets.shape, -1),
            change=(change / self._scaling.scale_mw).reshape(targets.shape).astype("float32"),
        )
        self._network = self._build(len(self.features))
        judged = self._train(samples, early=early, late=late, generator=generator)
        self._calibration = LeadTimeCalibration.fit(
            actual=grid.load[targets[late]].ravel(),
            predicted=baseline.reshape(targets.shape)[late].reshape(-1, 1) + self._scaling.scale_mw * judged,
            lead_hours=((targets - origins[:, None])[late] * grid.minutes / 60).ravel(),
            local_hour=grid.clock.minute_of_day[targets[late]].ravel() // 60,
            levels=self.settings.quantiles,
        )

    def _train(
        self, samples: _Samples, *, early: np.ndarray, late: np.ndarray, generator: np.random.Generator
    ) -> np.ndarray:
        """Find the epochs on the early samples, then train on all; return the late forecasts of the first, (n·k, q)."""
        chosen, network = self.hyperparameters, self._network
        start = _weights(network)
        network.optimizer.build(network.trainable_variables)
        fresh = [np.array(variable.value) for variable in network.optimizer.variables]
        stop = keras.callbacks.EarlyStopping(patience=chosen.patience, restore_best_weights=True)
        held_out = samples.take(late)
        history = self._run(
            samples.take(_whole_batches(early, chosen.batch_size, generator)),
            epochs=chosen.epochs,
            callbacks=[stop],
            validation_data=((held_out.past, held_out.ahead), held_out.change),
            validation_batch_size=max(1, len(late)),
        )
        losses = history.history["val_loss"]
        if not np.isfinite(losses).any():
            raise ForecastingError("lstm: the training diverged; a smaller learning_rate helps")
        judged = np.asarray(network((held_out.past, held_out.ahead), training=False))
        network.set_weights(start)
        for variable, value in zip(network.optimizer.variables, fresh, strict=True):
            variable.assign(value)
        everything = np.concatenate([early, late])
        self._run(
            samples.take(_whole_batches(everything, chosen.batch_size, generator)), epochs=int(np.nanargmin(losses)) + 1
        )
        return judged.reshape(-1, len(self.settings.quantiles))

    def _run(self, samples: _Samples, **options: Any) -> keras.callbacks.History:
        return self._network.fit(
            (samples.past, samples.ahead),
            samples.change,
            batch_size=self.hyperparameters.batch_size,
            shuffle=False,
            verbose=0,
            **options,
        )

    def _build(self, number: int) -> keras.Model:
        chosen, seed = self.hyperparameters, self.settings.seed
        levels = self.settings.quantiles

        def start(offset: int) -> keras.Initializer:
            return keras.initializers.GlorotUniform(seed=1000 * seed + offset)

        past = keras.Input((_PAST_HOURS, 3))
        ahead = keras.Input((None, number))
        memory = keras.layers.LSTM(
            chosen.units,
            kernel_initializer=start(1),
            recurrent_initializer=keras.initializers.Orthogonal(seed=1000 * seed + 2),
        )(past)
        context = keras.layers.Dense(chosen.decoder_units, kernel_initializer=start(3))(memory)
        context = keras.layers.Reshape((1, chosen.decoder_units))(context)
        lead = keras.layers.Dense(chosen.decoder_units, use_bias=False, kernel_initializer=start(4))(ahead)
        hidden = keras.layers.Activation("gelu")(keras.layers.Add()([lead, context]))
        hidden = keras.layers.Dense(chosen.units, activation="gelu", kernel_initializer=start(5))(hidden)
        raw = keras.layers.Dense(len(levels), kernel_initializer="zeros")(hidden)
        network = keras.Model((past, ahead), _Ordered(levels.index(0.5))(raw))
        network.compile(
            optimizer=keras.optimizers.Adam(chosen.learning_rate, clipnorm=1.0), loss=_pinball(levels), jit_compile=True
        )
        return network

    def _predict(self, window: Window) -> np.ndarray:
        recent = window.history.loc[window.origin - CONTEXT :]
        grid = self._grid(recent, window.future)
        targets = np.arange(len(grid.load) - len(window.future), len(grid.load))
        origins = np.full(len(targets), len(recent))
        baseline = weekly_baseline(grid, origins=origins, targets=targets)
        table = _inputs(direct_features(grid, origins=origins, targets=targets, baseline=baseline))
        values = table.reindex(columns=self.features, fill_value=0.0).to_numpy()
        past = self._scaling.past(recent_hours(grid, origins=origins[:1], hours=_PAST_HOURS))
        change = np.asarray(self._network((past, self._scaling.features(values)[None]), training=False))[0]
        return self._calibration.apply(
            baseline[:, None] + self._scaling.scale_mw * change.astype(float),
            lead_hours=(targets - origins) * grid.minutes / 60,
            local_hour=grid.clock.minute_of_day[targets] // 60,
        )

    def _files(self) -> dict[str, bytes]:
        buffer = io.BytesIO()
        arrays: dict[str, Any] = {f"weight_{number:02d}": value for number, value in enumerate(_weights(self._network))}
        np.savez(buffer, **arrays, mean=self._scaling.mean, scale=self._scaling.scale)
        return {
            _WEIGHTS: buffer.getvalue(),
            _CALIBRATION: self._calibration.to_json(),
            _FACTS: json.dumps({"scale_mw": self._scaling.scale_mw}).encode(),
        }

    def _restore(self, files: Mapping[str, bytes]) -> None:
        with np.load(io.BytesIO(files[_WEIGHTS]), allow_pickle=False) as stored:
            scale_mw = float(json.loads(files[_FACTS])["scale_mw"])
            self._scaling = _Scaling(scale_mw, stored["mean"], stored["scale"])
            self._network = self._build(len(self.features))
            self._network.set_weights([stored[name] for name in sorted(stored.files) if name.startswith("weight_")])
        self._calibration = LeadTimeCalibration.from_json(files[_CALIBRATION])


class _Ordered(keras.layers.Layer):
    """Turns raw outputs (…, q) into quantiles in order: the median, and steps away from it that cannot be negative."""

    def __init__(self, middle: int) -> None:
        super().__init__()
        self.middle = middle

    def call(self, raw: Any) -> Any:
        median = raw[..., self.middle : self.middle + 1]
        # The steps shrink the start towards the median: a weekly change is mostly small against its standard deviation.
        up = keras.ops.cumsum(keras.ops.softplus(raw[..., self.middle + 1 :] - 0.5), axis=-1)
        down = keras.ops.flip(
            keras.ops.cumsum(keras.ops.softplus(keras.ops.flip(raw[..., : self.middle], axis=-1) - 0.5), axis=-1),
            axis=-1,
        )
        return keras.ops.concatenate([median - down, median, median + up], axis=-1)


def _weights(network: keras.Model) -> list[np.ndarray]:
    return [np.array(variable.value) for variable in network.weights]


def _pinball(levels: tuple[float, ...]) -> Any:
    weights = np.array(levels, dtype="float32")

    def loss(truth: Any, quantiles: Any) -> Any:
        shortfall = keras.ops.expand_dims(truth, -1) - quantiles
        return keras.ops.mean(keras.ops.maximum(weights * shortfall, (weights - 1.0) * shortfall))

    return loss


def _inputs(table: pd.DataFrame) -> pd.DataFrame:
    """Clock fields as points on a circle: a network does not know that 23:30 is next to 00:00."""
    columns = {}
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


def _scaling(ahead: np.ndarray, change: np.ndarray, grid: Grid) -> _Scaling:
    """Learn the scaling from the early samples: `ahead` (n, k, f), `change` (n, k) in MW."""
    table = ahead.reshape(-1, ahead.shape[-1])
    known = np.isfinite(table)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, table, 0.0).sum(axis=0) / count
    spread = np.sqrt((np.where(known, table - mean, 0.0) ** 2).sum(axis=0) / count)
    # A load that never changes has no spread of its own: a thousandth of its size stands in, or one where it is zero.
    level = float(np.nanmean(np.abs(grid.load)))
    scale_mw = max(float(change.std()) if change.size else 0.0, 1e-3 * level) or 1.0
    return _Scaling(scale_mw, mean, np.where(spread > 1e-9 * np.maximum(np.abs(mean), 1e-6), spread, 1.0))


def _whole_batches(rows: np.ndarray, batch: int, generator: np.random.Generator) -> np.ndarray:
    """Rows in random order, repeated to fill the last batch: one shape compiles once."""
    order = generator.permutation(rows)
    return np.resize(order, math.ceil(len(order) / batch) * batch)
