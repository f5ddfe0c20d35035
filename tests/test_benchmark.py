"""experiments/benchmark.py: what it measures is what it says, and its table and plot hold it."""
import importlib.util
from pathlib import Path

import pytest
import torch

import lightspeech
from hparams import LightSpeechConfig

RESULTS = Path(__file__).resolve().parent.parent / "experiments"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    spec = importlib.util.spec_from_file_location("benchmark", RESULTS / "benchmark.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_durations_are_set_to_the_frame(benchmark) -> None:
    model = lightspeech.LightSpeech(LightSpeechConfig(embedding_dim=12, encoder_dim=8, decoder_dim=6)).eval()
    benchmark.fix_durations(model)
    ids, lengths = torch.randint(1, 148, (2, 120)), torch.tensor([101, 50])
    for speaking in (model, lightspeech.FastLightSpeech(model)):
        assert speaking.infer(ids, lengths).frames == [577, 286]


def test_median_of_as_many_runs_as_there_is_time_for(benchmark, monkeypatch) -> None:
    runs = []
    assert benchmark.milliseconds(lambda: runs.append(1), torch.device("cpu"), 7) < 100
    assert len(runs) == 12
    monkeypatch.setattr(benchmark, "BUDGET", 0.0)
    benchmark.milliseconds(lambda: runs.append(1), torch.device("cpu"), 7)
    assert len(runs) == 13


def test_table_and_plot(benchmark, tmp_path) -> None:
    rows = [{"row": "ids -> mel", "batch": batch, "symbols": symbols, "ms": 1234.5, "times_real_time": 2.0}
            for batch, symbols in ((1, 101), (4, 101), (1, 50))]
    table = benchmark.table({"CPU, 1 thread": rows, "process": [{"row": "cold", "ms": 2.0}]})
    assert "| CPU, 1 thread | ids -> mel | 4 | 101 | 1,234.50 | 2.0 |" in table and "published code, measured" in table
    benchmark.draw({"CPU, 1 thread": rows}, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes()[:4] == b"\x89PNG"
