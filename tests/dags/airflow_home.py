"""Airflow in the test's own process reads its configuration when it is imported, and writes below its home."""

from __future__ import annotations

import atexit
import os
import sys
import tempfile


def keep_airflow_out_of_the_home_folder() -> None:
    """Give Airflow a home that goes with this process, and none of the options of whoever runs the tests."""
    if "airflow" in sys.modules:
        return
    for name in [name for name in os.environ if name.startswith("AIRFLOW__")]:
        del os.environ[name]
    home = tempfile.TemporaryDirectory(prefix="gridcast-airflow-")
    atexit.register(home.cleanup)
    os.environ["AIRFLOW_HOME"] = home.name
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
