"""A recurrent encoder with a quantile decoder (Keras 3 on JAX), trained with early stopping.

Hochreiter & Schmidhuber (1997) read the past in a few long steps; a small decoder joins what they say with the
features of each lead time and gives all quantiles, in the manner of the multi-horizon quantile networks of Wen et al.
(2017). The output starts at zero, so a training that learns nothing does no harm.

XLA keeps one pool of threads per process and sizes it when the process first computes, from the variable `NPROC` or
else from the CPUs that the process may use; no XLA flag changes it. So the first network of a process decides.
"""

import io
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecasting.errors import ForecastingError

# Keras chooses its backend when it is first imported.
os.environ.setdefault("KERAS_BACKEND", "jax")
import keras


@dataclass(frozen=True)
class Samples:
    """n origins with k lead times: `past` (n, steps, p), `ahead` (n, k, f), `target` (n, k); all scaled, none NaN."""

    past: np.ndarray
    ahead: np.ndarray
    target: np.ndarray

    def take(self, rows: np.ndarray) -> "Samples":
        return Samples(self.past[rows], self.ahead[rows], self.target[rows])

    @classmethod
    def joined(cls, parts: list["Samples"]) -> "Samples":
        """Those of several series, one after the other, with as many lead times as all of them have."""
        leads = min(part.target.shape[1] for part in parts)
        return cls(
            past=np.concatenate([part.past for part in parts]),
            ahead=np.concatenate([part.ahead[:, :leads] for part in parts]),
            target=np.concatenate([part.target[:, :leads] for part in parts]),
        )


@dataclass(frozen=True)
class Shape:
    """Sizes of the network: what it reads, what it says, and how wide it is in between."""

    steps: int
    past: int
    ahead: int
    levels: tuple[float, ...]
    units: int
    decoder_units: int


def built(shape: Shape, *, seed: int, threads: int) -> keras.Model:
    """An untrained network from (past, ahead) to (n, k, q) quantiles in order.

    Args:
        shape: its sizes.
        seed: of the first weights.
        threads: of XLA, where nothing has been computed in this process yet and `NPROC` is not set.
    """
    os.environ.setdefault("NPROC", str(threads))
    glorot, layers = keras.initializers.GlorotUniform, keras.layers
    past, ahead = keras.Input((shape.steps, shape.past)), keras.Input((None, shape.ahead))
    memory = layers.LSTM(
        shape.units,
        kernel_initializer=glorot(seed=1000 * seed + 1),
        recurrent_initializer=keras.initializers.Orthogonal(seed=1000 * seed + 2),
    )(past)
    context = layers.Dense(shape.decoder_units, kernel_initializer=glorot(seed=1000 * seed + 3))(memory)
    context = layers.Reshape((1, shape.decoder_units))(context)
    lead = layers.Dense(shape.decoder_units, use_bias=False, kernel_initializer=glorot(seed=1000 * seed + 4))(ahead)
    hidden = layers.Activation("gelu")(layers.Add()([lead, context]))
    hidden = layers.Dense(shape.units, activation="gelu", kernel_initializer=glorot(seed=1000 * seed + 5))(hidden)
    raw = layers.Dense(len(shape.levels), kernel_initializer="zeros")(hidden)
    return keras.Model((past, ahead), _Ordered(shape.levels.index(0.5))(raw))


def train(
    network: keras.Model,
    samples: Samples,
    *,
    judged_on: Samples,
    levels: tuple[float, ...],
    epochs: int,
    patience: int,
    learning_rate: float,
    batch_size: int,
    generator: np.random.Generator,
) -> int:
    """Train in place by the mean pinball loss and keep the weights of the best epoch; return the number of epochs.

    Args:
        network: from `built`.
        samples: to learn from.
        judged_on: samples that say which epoch is best; the training stops `patience` epochs after it.
        levels: of the quantiles.
        epochs: at most; the learning rate falls to nothing by then, along a cosine.
        patience: epochs without improvement.
        learning_rate: at the start.
        batch_size: samples per step.
        generator: of the order of the samples.

    Raises:
        ForecastingError: the loss was never finite.
    """
    # Rows in random order, repeated to fill the last batch: one shape compiles once.
    order = generator.permutation(len(samples.target))
    batches = math.ceil(len(order) / batch_size)
    taught = samples.take(np.resize(order, batches * batch_size))
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * batches)
    network.compile(optimizer=keras.optimizers.Adam(schedule, clipnorm=1.0), loss=_pinball(levels), jit_compile=True)
    history = network.fit(
        (taught.past, taught.ahead),
        taught.target,
        batch_size=batch_size,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=[keras.callbacks.EarlyStopping(patience=patience, restore_best_weights=True)],
        validation_data=((judged_on.past, judged_on.ahead), judged_on.target),
        validation_batch_size=max(1, len(judged_on.target)),
    )
    losses = history.history["val_loss"]
    if not np.isfinite(losses).any():
        raise ForecastingError("lstm: the training diverged; a smaller learning_rate helps")
    return len(losses)


def quantiles(network: keras.Model, past: np.ndarray, ahead: np.ndarray) -> np.ndarray:
    """What a network says: (n, k, q) from (n, steps, p) and (n, k, f)."""
    return np.asarray(network.predict_on_batch((past, ahead))).astype(float)


def to_npz(network: keras.Model) -> bytes:
    """The weights, byte for byte the same for the same weights."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {f"weight_{n:02d}": np.array(each.value) for n, each in enumerate(network.weights)}
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def take_npz(network: keras.Model, content: bytes) -> None:
    """Take back what `to_npz` gave.

    Raises:
        ValueError: those are not the weights of such a network.
    """
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        weights: Mapping[str, np.ndarray] = {name: stored[name] for name in stored.files}
    network.set_weights([weights[name] for name in sorted(weights)])


class _Ordered(keras.layers.Layer):
    """Turns raw outputs (…, q) into quantiles in order: the median, and steps away from it that cannot be negative."""

    def __init__(self, middle: int) -> None:
        super().__init__()
        self.middle = middle

    def call(self, raw: Any) -> Any:
        median = raw[..., self.middle : self.middle + 1]
        # The steps shrink the start towards the median: most errors are small against their standard deviation.
        up = keras.ops.cumsum(keras.ops.softplus(raw[..., self.middle + 1 :] - 0.5), axis=-1)
        down = keras.ops.flip(
            keras.ops.cumsum(keras.ops.softplus(keras.ops.flip(raw[..., : self.middle], axis=-1) - 0.5), axis=-1),
            axis=-1,
        )
        return keras.ops.concatenate([median - down, median, median + up], axis=-1)


def _pinball(levels: tuple[float, ...]) -> Callable[[Any, Any], Any]:
    level = np.array(levels, dtype="float32")

    def loss(target: Any, predicted: Any) -> Any:
        error = target[..., None] - predicted
        return keras.ops.mean(keras.ops.maximum(level * error, (level - 1) * error))

    return loss
