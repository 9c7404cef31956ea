"""From a choice of models to rows: the protocols, the plug-ins, and what a failing one leaves."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import forecasting
from forecasting import available_models, create_model
from tests.benchmarks import adapters, protocol, runner, scaling, sources
from tests.benchmarks.__main__ import main
from tests.benchmarks.results import Key, Result

HERE = runner.Pythons(ours=Path(sys.executable), peers=Path("no-such-python"))


class Perfect:
    """Knows the future, as far as it repeats the day before."""

    refit_each_origin = True
    packages: tuple[str, ...] = ()

    def __init__(self, ctx: protocol.Context) -> None:
        self._day = ctx.steps_per_day

    def fit(self, history: pd.DataFrame, columns: list[str]) -> None:
        assert list(history.columns) == ["timestamp", "local", "y", *columns]

    def predict(self, history: pd.DataFrame, future: pd.DataFrame) -> pd.DataFrame:
        assert "y" not in future
        assert history["timestamp"].iloc[-1] < future["timestamp"].iloc[0]
        assert (future["local"].iloc[0].hour, future["local"].iloc[0].minute, len(future)) == (0, 0, 96)
        load = np.tile(history["y"].to_numpy()[-self._day :], 2)
        return pd.DataFrame({"timestamp": future["timestamp"], "q0.1": load - 1, "q0.5": load, "q0.9": load + 1})


@pytest.mark.parametrize(("case", "regime"), [("shipped:england_wales", "uni"), ("shipped:victoria", "wx")])
def test_a_plug_in_sees_only_what_lies_before_each_midnight(case: str, regime: str) -> None:
    row = protocol.measure(case, regime, f"{__name__}:Perfect", origins=3)
    assert row is not None
    assert (row["n_origins"], row["horizon"], row["protocol"]) == (3, 96, "refit each origin")
    assert row["mae"] > 0


def test_a_regime_that_the_data_does_not_have_gives_no_row() -> None:
    assert protocol.measure("shipped:england_wales", "wx", f"{__name__}:Perfect") is None


def test_every_kind_of_the_library_is_a_plug_in_and_nothing_else_is() -> None:
    assert [getattr(adapters, kind).kind for kind in available_models()] == list(available_models())
    with pytest.raises(AttributeError, match="no attribute 'crystal_ball'"):
        _ = adapters.crystal_ball


def test_a_series_with_its_local_clock_alone_is_given_as_it_is_and_in_celsius() -> None:
    place = {"tz": "America/New_York", "country": "US", "subdiv": "MA"}
    steps = {"steps_per_day": 24, "horizon": 48}
    ctx = SimpleNamespace(dataset="isone_2017", ts_kind="local-naive", **place, **steps)
    model = adapters.seasonal_naive(ctx)
    local = pd.date_range("2017-01-01", periods=24 * 23, freq="h")
    rows = pd.DataFrame({"timestamp": local, "local": local, "y": local.hour * 1.0, "temperature": 50.0})
    history, future = rows.iloc[:-48], rows.iloc[-48:].drop(columns="y")
    model.fit(history, ["temperature"])
    forecast = model.predict(history, future)
    assert model._model.parameters["timezone"] == "UTC"
    assert model._frame(history)["temperature"].unique().tolist() == [10.0]
    assert forecast["q0.5"].tolist() == [float(each) for each in future["local"].dt.hour]
    assert list(forecast.columns) == ["timestamp", "q0.1", "q0.5", "q0.9"]
    assert forecast["timestamp"].tolist() == future["timestamp"].tolist()


def test_a_model_is_measured_in_a_process_of_its_own_and_a_failure_is_a_row() -> None:
    keys = [Key("shipped:england_wales", "uni", name) for name in ("seasonal_naive", "mlf_lgbm")]
    measured, failed = runner.measure(sources.ShippedData(), keys, pythons=HERE, timeout=60, commit="abc")
    assert (measured.ours, measured.error, measured.points) == (True, "", 14 * 96)
    assert measured.version.startswith("numpy ")
    assert measured.cpu is not None
    assert measured.memory is not None
    assert failed == Result.failed(
        keys[1], "no-such-python does not start: No such file or directory", ours=False, commit="abc"
    )


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise MemoryError('too long')", "MemoryError: too long"),
        ("import time; time.sleep(9)", "not done after 0.5 s"),
        ("print('nothing')", "nothing"),
    ],
)
def test_a_process_without_an_answer_is_told_by_its_last_words(code: str, said: str) -> None:
    with pytest.raises(runner.NoAnswerError) as found:
        runner.answer([sys.executable, "-c", code], timeout=0.5)
    assert str(found.value) == said


def harness(folder: Path) -> Path:
    """An outer harness that answers each question with the same row."""
    (folder / "data").mkdir(parents=True)
    about = {
        "eia_ba_2019": {"columns": ["load_mw"], "series": {"ERCO": {}}},
        "vic_elec": {"columns": ["load_mw", "temperature"], "series": {"VIC": {}}},
    }
    (folder / "data" / "meta.json").write_text(json.dumps(about))
    row = {
        "mae": 1.0,
        "mase": 1.0,
        "pinball_mean": 1.0,
        "cover80": None,
        "nan_points": 0,
        "n_origins": 14,
        "horizon": 48,
        "cpu_fit_s": 1.0,
        "cpu_predict_s": 1.0,
        "peak_rss_mb": 1.0,
        "version": "",
        "protocol": "",
    }
    (folder / "bench.py").write_text(f"import json\nprint('RESULT', json.dumps({row}).replace('None', 'null'))\n")
    (folder / "results.csv").write_text("dataset,series,regime,peer\nvic_elec,VIC,uni,prophet\n")
    return folder


def test_an_outer_harness_is_run_from_a_copy_and_stays_as_it_is(tmp_path: Path) -> None:
    outer = harness(tmp_path / "outer")
    before = sorted(outer.rglob("*"))
    source = sources.chosen(outer, scratch=tmp_path / "scratch")
    assert source.all_cases == ("eia_ba_2019:ERCO", "vic_elec:VIC")
    (found,) = runner.measure(
        source, [Key("vic_elec:VIC", "wx", "seasonal_naive")], pythons=HERE, timeout=60, commit=""
    )
    assert (found.error, found.mae, found.coverage) == ("", 1.0, None)
    assert source.recorded() == [{"dataset": "vic_elec", "series": "VIC", "regime": "uni", "peer": "prophet"}]
    assert sorted(outer.rglob("*")) == before


def test_only_what_makes_sense_is_planned(tmp_path: Path) -> None:
    source = sources.chosen(harness(tmp_path / "outer"), scratch=tmp_path / "scratch")
    planned = runner.plan(
        source, cases=source.all_cases, models=["arima"], peers=["mlf_lgbm", "sf_mstl_ets", "operator_da"]
    )
    assert [(key.case.partition(":")[2], key.regime, key.model) for key in planned] == [
        ("ERCO", "uni", "arima"),
        ("ERCO", "uni", "mlf_lgbm"),
        ("ERCO", "uni", "sf_mstl_ets"),
        ("ERCO", "uni", "operator_da"),
        ("VIC", "uni", "arima"),
        ("VIC", "uni", "mlf_lgbm"),
        ("VIC", "uni", "sf_mstl_ets"),
        ("VIC", "wx", "arima"),
        ("VIC", "wx", "mlf_lgbm"),
    ]


def test_without_the_harness_the_shipped_data_are_measured(tmp_path: Path) -> None:
    assert isinstance(sources.chosen(tmp_path / "nowhere", scratch=tmp_path), sources.ShippedData)
    assert isinstance(sources.chosen(None, scratch=tmp_path), sources.ShippedData)


def test_a_run_writes_its_document_and_goes_on_where_it_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "stay_on_one_cpu", lambda: None)
    options = [
        "--only",
        "accuracy",
        "--harness",
        "",
        "--cases",
        "shipped:england_wales",
        "--models",
        "seasonal_naive",
        "--peers",
        "",
    ]
    folders = ["--no-scaling", "--output", str(tmp_path / "docs"), "--scratch", str(tmp_path / "scratch")]
    assert main([*options, *folders]) == 0
    assert "1 measurements on the shipped data, 0 of them done" in capsys.readouterr().out
    assert main([*options, *folders, "--skip-done"]) == 0
    assert "1 measurements on the shipped data, 1 of them done" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "docs").iterdir()) == ["accuracy.csv", "accuracy.md", "pareto.png"]
    text = (tmp_path / "docs" / "accuracy.md").read_text()
    assert "--skip-done" not in text
    assert "### shipped:england_wales, uni" in text


def test_a_name_that_is_not_there_is_refused_with_those_that_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--only", "accuracy", "--harness", "", "--peers", "prophet", "--scratch", str(tmp_path)]) == 2
    assert "no peer is called 'prophet'; there are sf_mstl_ets, mlf_lgbm, lgbm_direct" in capsys.readouterr().err


def test_scaling_measures_longer_histories_and_more_series() -> None:
    naive = "tests.benchmarks.adapters:seasonal_naive"
    assert len(scaling.demand(20, seed=0)) == 480
    for how, number in (("history", 91), ("calls", 2)):
        found = scaling.measure(how, naive, number)
        assert found is not None
        assert found["cpu"] >= 0


def test_many_series_go_in_one_call_where_the_library_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def fit_many(kind: str, histories: dict[str, pd.DataFrame], **settings: Any) -> forecasting.Batch[Any]:
        asked.update(kind=kind, histories=histories, settings=settings)
        return forecasting.Batch(results={}, failures=asked.get("failures", {}))

    monkeypatch.setattr(forecasting, "fit_many", fit_many, raising=False)
    monkeypatch.delitem(vars(adapters), "seasonal_naive", raising=False)
    assert scaling.measure("many", "tests.benchmarks.adapters:seasonal_naive", 2) is not None
    assert asked["kind"] == "seasonal_naive"
    assert [list(frame.columns) for frame in asked["histories"].values()] == [["load"], ["load"]]
    create_model(asked["kind"], **asked["settings"]).fit(asked["histories"]["0"])
    asked["failures"] = {"1": forecasting.ForecastingError("too short")}
    with pytest.raises(forecasting.ForecastingError, match="too short"):
        scaling.measure("many", "tests.benchmarks.adapters:seasonal_naive", 2)
    del vars(adapters)["seasonal_naive"]


def test_a_scaling_table_puts_the_ratio_to_the_peer_beside_the_seconds() -> None:
    text = scaling.table({"ours": [1.0, None], "peer": [2.0, 4.0]}, ["1 year", "2 years"], reference="peer")
    assert text.splitlines()[2:] == ["| ours | 1.00 (0.50) | — |", "| peer | 2.00 | 4.00 |"]
