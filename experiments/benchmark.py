"""Speed of synthesis: text to mel, to sound, over batch size and text length, and how soon the first of it is there.

    python experiments/benchmark.py                  # results/benchmark_cpu.json and .png, or _gpu
    python experiments/benchmark.py --device cpu     # with as many threads as PyTorch takes, and with one

The work is an utterance of 101 symbols and 577 frames, 6.7 s, as it was measured of the published code; its durations
are computed and then set, so that the length is exact. Medians of 50 runs after 5 that do not count, of fewer where 50
would take more than 20 s; the device is waited for before and after each.
"""
import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as synthesize.py

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from experiments.machine import about, synchronize
from hparams import CONFIGS, WaveGlowConfig
from lightspeech import LightSpeech, ProsodyPrediction
from synthesis.vocoder_runner import Sounds
from synthesize import Synthesizer
from waveglow import WaveGlow

ROOT = Path(__file__).resolve().parents[1]
TEXT = ("Printing, in the only sense with which we are now concerned, differs from most if not from all the arts and "
        "crafts.")
SYMBOLS, FRAMES = 101, 577
FRAME = 256 / 22050  # seconds
BUDGET = 20.0  # seconds a row
BATCHES = {"cpu": (1, 2, 4, 8, 16, 32), "cuda": (1, 4, 16, 64, 128, 256)}
LENGTHS = (12, 25, 50, 101, 200, 400)  # symbols
# Milliseconds of the same work by the published code, measured with random weights; None: was not.
PUBLISHED = {"LightSpeech (xcmyz), mel": {"H200": 11.4, "CPU, 1 thread": 29, "CPU, 2 threads": 40},
             "FastSpeech (xcmyz), mel": {"H200": 9.4, "CPU, 1 thread": 171, "CPU, 2 threads": 109},
             "Tacotron2 (NVIDIA), mel": {"H200": 321, "CPU, 1 thread": 3200, "CPU, 2 threads": 3500},
             "WaveGlow 256 (NVIDIA), sound": {"H200": 22.9, "CPU, 1 thread": 33000, "CPU, 2 threads": 24400}}


def get_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: auto")
    parser.add_argument("--out", type=Path, default=ROOT / "results", metavar="FOLDER", help="for .json and .png")
    parser.add_argument("--tiny", action="store_true", help="a small 'published' vocoder, once each: to try the script")
    return parser.parse_args()


def milliseconds(run: Callable[[], Any], device: torch.device, most: int) -> float:
    """Median of up to `most` runs, as many as BUDGET has time for; one at least, and for short ones five before."""
    measured: list[float] = []
    begin = time.perf_counter()
    while not measured or len(measured) < most + 5 and time.perf_counter() - begin < BUDGET:
        synchronize(device)
        start = time.perf_counter()
        run()
        synchronize(device)
        measured.append(time.perf_counter() - start)
    return 1e3 * statistics.median(measured[min(5, len(measured) // 2):])


def fix_durations(model: LightSpeech) -> None:
    """Lets a model compute its durations, and then take FRAMES / SYMBOLS frames a symbol, rounded where each ends."""
    computed = model.predict_prosody

    def predict_prosody(features: torch.Tensor, id_lengths: torch.Tensor) -> ProsodyPrediction:
        ends = (torch.arange(features.shape[1] + 1, device=features.device) * (FRAMES / SYMBOLS)).round()
        told = computed(features, id_lengths)
        return ProsodyPrediction(told.log_durations * 0 + ends.diff().log1p(), told.symbol_pitch)
    model.predict_prosody = predict_prosody


def mel_row(speaker: Synthesizer, rows: int, symbols: int, plain: bool, most: int) -> dict[str, Any]:
    """ids -> mel of `rows` like utterances, whose times real time counts all rows."""
    ids = torch.randint(1, 148, (rows, symbols), generator=torch.Generator().manual_seed(0)).to(speaker.device)
    lengths = torch.full((rows,), symbols, device=speaker.device)
    model = speaker.student if plain else speaker.fast
    spent = milliseconds(lambda: model.infer(ids, lengths), speaker.device, most)
    seconds = rows * model.infer(ids, lengths).frames[0] * FRAME
    return {"row": f"ids -> mel{', plain path' if plain else ''}", "batch": rows, "symbols": symbols,
            "ms": spent, "times_real_time": 1e3 * seconds / spent}


def speech_row(speaker: Synthesizer, name: str, most: int) -> dict[str, Any]:
    """TEXT -> wave in memory, all that Synthesizer.speak does."""
    spent = milliseconds(lambda: speaker.speak(TEXT), speaker.device, most)
    return {"row": f"text -> wav, {name}", "batch": 1, "symbols": SYMBOLS, "ms": spent,
            "times_real_time": 1e3 * FRAMES * FRAME / spent}


def published_sounds(speaker: Synthesizer, tiny: bool) -> Sounds:
    """A vocoder of the published size with random weights, whose flows do something."""
    torch.manual_seed(0)
    vocoder = WaveGlow(CONFIGS["waveglow"]["tiny"][0] if tiny else WaveGlowConfig()).eval()
    for network in vocoder.WN:
        torch.nn.init.normal_(network.end.weight, std=0.01)
    vocoder.fold_weight_norm()
    return Sounds(vocoder.to(speaker.device), speaker.audio, speaker.device)


def process_rows(device: str, folder: Path) -> list[dict[str, Any]]:
    """synthesize.py from a cold process: a word into a file, and a minute into a pipe until its first sound."""
    command = [sys.executable, str(ROOT / "synthesize.py"), "--device", device]
    start = time.perf_counter()
    subprocess.run([*command, "Hello.", "-o", str(folder / "hello.wav")], check=True, capture_output=True)
    rows = [{"row": 'synthesize.py "Hello.", cold', "ms": 1e3 * (time.perf_counter() - start),
             "peak_memory_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024}]
    (folder / "hello.wav").unlink()
    start = time.perf_counter()
    minute = subprocess.Popen([*command, " ".join([TEXT] * 9), "-o", "-", "--raw"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
    minute.stdout.read(1)
    first = time.perf_counter() - start
    _, told = minute.communicate()
    after = float(re.search(rb"first sound after ([\d.]+) s", told)[1])
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024  # of the larger process so far
    return [*rows, {"row": "first sound of a minute, cold process", "ms": 1e3 * first, "peak_memory_mb": peak},
            {"row": "first sound of a minute, once loaded", "ms": 1e3 * after}]


def measure(device: torch.device, tiny: bool) -> list[dict[str, Any]]:
    """The rows of one device with its present number of threads."""
    most, slow = (1, 1) if tiny else (50, 10)
    speaker = Synthesizer(device=device.type)
    for model in {speaker.student, getattr(speaker.fast, "model", speaker.student)}:  # the fast one has its own
        fix_durations(model)
    rows = [mel_row(speaker, 1, SYMBOLS, plain, most) for plain in (False, True)]
    rows += [mel_row(speaker, batch, SYMBOLS, False, slow) for batch in BATCHES[device.type][1:2 if tiny else None]]
    lengths = [symbols for symbols in LENGTHS[:1 if tiny else None] if symbols != SYMBOLS]
    rows += [mel_row(speaker, 1, symbols, False, most) for symbols in lengths]
    rows.append(speech_row(speaker, "small WaveGlow", most))
    speaker.sounds = published_sounds(speaker, tiny)
    return [*rows, speech_row(speaker, "WaveGlow of the published size", most)]


def table(runs: dict[str, list[dict[str, Any]]]) -> str:
    """All rows, and those of the published code, in Markdown."""
    lines = ["| where | what | batch | symbols | ms | times real time |", "|---|---|---|---|---|---|"]
    for where, rows in runs.items():
        for row in rows:
            times = f"{row['times_real_time']:,.1f}" if "times_real_time" in row else ""
            memory = f", {row['peak_memory_mb']:.0f} MB at its peak" if "peak_memory_mb" in row else ""
            lines.append(f"| {where} | {row['row']}{memory} | {row.get('batch', '')} | {row.get('symbols', '')} | "
                         f"{row['ms']:,.2f} | {times} |")
    for what, figures in PUBLISHED.items():
        for where, spent in figures.items():
            lines.append(f"| {where} | published code, measured: {what} | 1 | {SYMBOLS} | {spent:,} | "
                         f"{1e3 * FRAMES * FRAME / spent:,.1f} |")
    return "\n".join(lines)


def draw(runs: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """ids -> mel: how many times real time over the batch, milliseconds over the length of the text."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    over_batch, over_length = figure.subplots(1, 2)
    for where, rows in runs.items():
        mels = [row for row in rows if row["row"] == "ids -> mel"]
        batches = sorted((row["batch"], row["times_real_time"]) for row in mels if row["symbols"] == SYMBOLS)
        lengths = sorted((row["symbols"], row["ms"]) for row in mels if row["batch"] == 1)
        over_batch.plot(*zip(*batches), marker="o", label=where)
        over_length.plot(*zip(*lengths), marker="o", label=where)
    over_batch.set(xlabel=f"texts of {SYMBOLS} symbols at once", ylabel="times real time", xscale="log", yscale="log",
                   title="ids to mel")
    over_length.set(xlabel="symbols of one text", ylabel="milliseconds", xscale="log", yscale="log", title="ids to mel")
    for axes, ticks in ((over_batch, batches), (over_length, lengths)):
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticks([place for place, _ in ticks], [f"{place}" for place, _ in ticks])
        axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
        axes.yaxis.set_major_formatter("{x:,g}")
        axes.yaxis.set_minor_formatter("{x:,g}")
        axes.grid(alpha=0.3, which="both")
        axes.legend()
    figure.savefig(path, dpi=100)


def main() -> None:
    """Measures, prints, writes."""
    arguments = get_arguments()
    found = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(found if arguments.device == "auto" else arguments.device)
    arguments.out.mkdir(parents=True, exist_ok=True)
    machine = {**about(device), "cpu": cpu_name(), "date": time.strftime("%Y-%m-%d")}
    runs: dict[str, list[dict[str, Any]]] = {"process": process_rows(device.type, arguments.out)}
    for threads in (torch.get_num_threads(), 1) if device.type == "cpu" else (torch.get_num_threads(),):
        torch.set_num_threads(threads)
        runs[f"CPU, {threads} thread{'s' * (threads > 1)}" if device.type == "cpu" else machine["device"]] = measure(
            device, arguments.tiny)
    print(table(runs))
    path = arguments.out / f"benchmark_{'gpu' if device.type == 'cuda' else 'cpu'}.json"
    figures = {**machine, "runs": runs, "published code, measured, ms": PUBLISHED}
    path.write_text(json.dumps(figures, indent=1) + "\n")
    draw({where: rows for where, rows in runs.items() if where != "process"}, path.with_suffix(".png"))


def cpu_name() -> str:
    """As the kernel tells it, or "" where it does not."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", info.read_text()) if info.exists() else None
    return found[1] if found else ""


if __name__ == "__main__":
    main()
