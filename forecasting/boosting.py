"""LightGBM boosters: trained so that the same rows give the same trees, and read back from their text."""

import re
from typing import Any

import lightgbm
import numpy as np


def train_booster(
    table: np.ndarray, target: np.ndarray, *, names: list[str], seed: int, threads: int, trees: int, **settings: Any
) -> lightgbm.Booster:
    """Train on n rows by squared error.

    Args:
        table: (n, f), NaN where unknown.
        target: (n,), finite.
        names: of the f columns.
        seed: of the sampling of rows and columns.
        threads: to train with.
        trees: boosting rounds.
        settings: further parameters, by LightGBM's names.
    """
    chosen: dict[str, Any] = {
        "objective": "regression",
        "bagging_freq": 1,
        "num_threads": threads,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "max_bin": 127,
        "verbosity": -1,
        **settings,
    }
    # LightGBM takes no punctuation in names; whoever trains keeps them all, in the same order.
    plain = all(re.fullmatch(r"[A-Za-z0-9_]+", name) for name in names)
    data = lightgbm.Dataset(table, label=target, feature_name=names if plain else "auto", free_raw_data=True)
    return lightgbm.train(chosen, data, num_boost_round=trees)


def restored_booster(text: bytes) -> lightgbm.Booster:
    """Read a booster's text.

    Raises:
        ValueError: it is not one.
    """
    try:
        return lightgbm.Booster(model_str=text.decode())
    except lightgbm.basic.LightGBMError as error:
        raise ValueError(str(error)) from error
