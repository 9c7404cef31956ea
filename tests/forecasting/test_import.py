import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MEASURE = """
import sys, time
start = time.perf_counter()
import forecasting
seconds = time.perf_counter() - start
from forecasting import available_models, backtest, create_model, daily_origins, load_model
create_model("seasonal_naive", timezone="UTC")
assert callable(backtest)
names = ("keras", "jax", "lightgbm", "statsmodels", "sklearn", "airflow", "django")
heavy = [name for name in names if name in sys.modules]
print(seconds, ",".join(heavy))
"""


def test_importing_the_library_is_quick_and_loads_no_model_library() -> None:
    finished = subprocess.run([sys.executable, "-c", MEASURE], cwd=ROOT, capture_output=True, text=True, check=True)
    seconds, heavy = finished.stdout.rstrip("\n").split(" ")
    assert float(seconds) < 1.0
    assert heavy == ""
