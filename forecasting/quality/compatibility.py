"""What Deepchecks 0.19 and whylogs 1.6 need, both no longer released, to run quietly beside today's libraries.

- numpy 2 removed names which both still use. They are put back while one of the two is imported or runs, and taken
  away after.
- Both send usage statistics unless told not to. They read their switches when imported, so these are set before.
- Both warn of their own use of old interfaces, which is not the reader's business.
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

REMOVED_FROM_NUMPY = {"Inf": np.inf, "NINF": -np.inf, "NaN": np.nan, "unicode_": np.str_}
NO_TELEMETRY = {"WHYLOGS_NO_ANALYTICS": "True", "DISABLE_DEEPCHECKS_ANONYMOUS_TELEMETRY": "True"}


@contextmanager
def unmaintained_libraries() -> Iterator[None]:
    """Import and run Deepchecks and whylogs in here, and nowhere else.

    The switches of the telemetry stay set: both libraries may look again at any time.
    """
    os.environ.update(NO_TELEMETRY)
    absent = [name for name in REMOVED_FROM_NUMPY if name not in vars(np)]
    for name in absent:
        setattr(np, name, REMOVED_FROM_NUMPY[name])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name in absent:
            delattr(np, name)
