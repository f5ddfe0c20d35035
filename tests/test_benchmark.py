"""experiments/benchmark.py and its parts: what they set up is exact, and tables and plots hold the figures."""
import subprocess
import sys

import pytest
import torch

import lightspeech
from experiments import benchmark, machine, vocoder_sizes
from experiments.benchmark_process import SENTENCE, run_process
from experiments.benchmark_rows import FRAMES, SYMBOLS, exact_speed, readings_of
from hparams import TextConfig
from synthesis.mel_predictor import MelPredictor
from text import read


def test_the_sentence_has_the_exact_number_of_frames(student) -> None:
    predict = MelPredictor(lightspeech.load(student)).predict
    for reading in (*readings_of(2, SYMBOLS), read(SENTENCE, TextConfig())):
        speed = exact_speed(predict, reading)
        assert [piece.mel.shape for piece in predict([reading], speed)] == [(80, FRAMES)]


def test_the_median_is_of_the_runs_after_the_warmup(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(time for spent in (9, 9, 1, 5, 3) for time in (0, 0, spent))  # the loop's time, start, end
    monkeypatch.setattr(machine.time, "perf_counter", lambda begin=iter([0]): next(begin, None) or next(clock))
    runs: list[int] = []
    seconds = machine.median_seconds(lambda: runs.append(1), torch.device("cpu"), max_runs=3, warmup=2)
    assert (seconds, len(runs)) == (3, 5)


def test_the_least_cpu_time_is_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(time for spent in (4, 2, 3) for time in (10, 10 + spent))
    monkeypatch.setattr(machine.time, "process_time", lambda: next(clock))
    assert machine.least_cpu_seconds(lambda: None, runs=3) == 2


def test_without_time_one_run_is_measured() -> None:
    runs: list[int] = []
    machine.median_seconds(lambda: runs.append(1), torch.device("cpu"), max_runs=7, budget=0.0)
    assert len(runs) == 1


def test_a_process_is_measured_apart_from_the_one_that_starts_it() -> None:
    code = "import sys; block = bytearray(60 * 2**20); print('x' * 9999); print('ready', file=sys.stderr)"
    run = run_process([sys.executable, "-c", code])
    assert run.output_bytes == 10_000 and run.messages == "ready\n" and 0 < run.first_byte <= run.seconds
    assert run.peak_mb >= 60 and 0 < run.cpu_seconds
    with pytest.raises(subprocess.CalledProcessError, match="exit status 3"):
        run_process([sys.executable, "-c", "raise SystemExit(3)"])


def test_table_and_plot_hold_every_row(tmp_path) -> None:
    rows = [{"row": "ids -> mel", "batch": batch, "symbols": symbols, "ms": 1234.5, "times_real_time": 2.0}
            for batch, symbols in ((1, 101), (4, 101), (1, 50))]
    runs = {"CPU, 1 thread": rows, "process, CPU": [{"row": "cold", "ms": 2.0, "cpu_ms": 1.5, "peak_memory_mb": 360.4}]}
    table = benchmark.table(runs)
    assert "| CPU, 1 thread | ids -> mel | 4 | 101 | 1,234.50 | 2.0 |  |  |" in table and "published code" in table
    assert "| process, CPU | cold |  |  | 2.00 |  | 1.5 | 360 |" in table
    benchmark.draw(runs, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes()[:4] == b"\x89PNG"


def test_vocoders_of_several_sizes_take_turns(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny, runs = {"n_blocks": 1, "block_channels": 16, "block_hidden": 32}, []
    built = [vocoder_sizes.build(tiny, n_flows, tmp_path) for n_flows in (0, 1)]
    clock = iter(time for spent in (9, 9, 9, 9, 4, 7, 5, 6) for time in (1, 1 + 1e-3 * spent))
    monkeypatch.setattr(vocoder_sizes.time, "process_time", lambda: next(clock))
    for number, (vocoder, _) in enumerate(built):
        monkeypatch.setattr(vocoder, "start", lambda *inputs, number=number: runs.append((number, inputs)))
    least = vocoder_sizes.measure([vocoder for vocoder, _ in built], frames=5, runs=2)
    assert least == pytest.approx([4, 6]) and [number for number, _ in runs] == [0, 1] * 4
    (mel,), *arguments = runs[1][1]
    assert mel.shape == (80, 5) and arguments == [[5], [0], None]
    rows = [{"size": "tiny", "coupling layers": 0, **built[0][1], "ms": {48: 1.234, 577: 20.0}}]
    assert f"| tiny | 0 | {built[0][1]['parameters']:,} | " in vocoder_sizes.table(rows)
    assert vocoder_sizes.table(rows).endswith("| 1.23 | 20.00 |")
