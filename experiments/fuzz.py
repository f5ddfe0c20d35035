"""Damages valid files at random and gives them to every reader: each must be read or refused in one line.

    python experiments/fuzz.py --minutes 10 --json results/fuzz.json     # ten minutes for each reader
    python experiments/fuzz.py --readers student --seed 123              # one trial again

A trial fails if it raises anything but UserError, ends the process, takes more than 10 s, or needs more than 4 GiB of
memory. The seed of a trial determines its file. Each reader works in processes of its own, so that a crash or a lack of
memory is counted and the next trial goes on.
"""
import argparse
import collections
import json
import multiprocessing
import random
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from experiments.command import exit_status
from experiments.fuzz_files import SAMPLES, mutate
from experiments.machine import describe_machine
from hparams import UserError
from runtime.files import write_text

SECONDS_PER_TRIAL = 10
MEMORY = 4 * 2**30  # bytes that a trial may need beyond what the process has when it starts
TRIALS_PER_PROCESS = 500
FAILURES_KEPT = 20  # in the report, of each reader


class Outcome(NamedTuple):
    """The result of one trial."""
    seed: int
    kind: str  # "read", "refused" or "failed"
    error: str  # of a failed trial


class _Timeout(Exception):
    """Raised by the alarm when a trial takes too long."""


def _raise_timeout(_number: int, _frame: object) -> None:
    raise _Timeout(f"more than {SECONDS_PER_TRIAL} s")


def run_trial(reader: str, sample: bytes, folder: Path, seed: int) -> Outcome:
    """Gives a damaged copy of a reader's sample file to the reader; seed: determines the damage."""
    load = SAMPLES[reader].read
    path = folder / SAMPLES[reader].name
    path.write_bytes(mutate(sample, random.Random(seed)))
    signal.signal(signal.SIGALRM, _raise_timeout)
    signal.alarm(SECONDS_PER_TRIAL)
    try:
        load(path)
        return Outcome(seed, "read", "")
    except UserError as error:
        return Outcome(seed, "refused", "") if str(error).strip() else Outcome(seed, "failed", "an empty message")
    except (Exception, _Timeout) as error:  # whatever else is raised is a fault of the reader
        return Outcome(seed, "failed", f"{type(error).__name__}: {error}"[:300])
    finally:
        signal.alarm(0)


def run_trials(reader: str, sample: bytes, folder: Path, seeds: list[int], deadline: float, results: Any) -> None:
    """Runs trials until the deadline. Sends the seed and the outcome of each through a pipe, and None at the end."""
    torch.set_num_threads(1)
    if Path("/proc/self/statm").exists():  # Linux; elsewhere memory has no limit
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    for seed in seeds:
        if time.monotonic() > deadline:
            break
        results.send(seed)
        results.send(run_trial(reader, sample, folder, seed))
    results.send(None)


def fuzz_reader(reader: str, seconds: float, first_seed: int, trials: int | None = None) -> list[Outcome]:
    """Returns the outcomes of as many trials of a reader as fit into the time, or of at most `trials`."""
    outcomes: list[Outcome] = []
    deadline = time.monotonic() + seconds
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sample = SAMPLES[reader].make(folder)
        (folder / SAMPLES[reader].name).write_bytes(sample)
        if SAMPLES[reader].is_valid:
            SAMPLES[reader].read(folder / SAMPLES[reader].name)
        while time.monotonic() < deadline and (trials is None or len(outcomes) < trials):
            count = TRIALS_PER_PROCESS if trials is None else trials - len(outcomes)
            seeds = [first_seed + len(outcomes) + number for number in range(count)]
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=run_trials, args=(reader, sample, folder, seeds, deadline, sender))
            process.start()
            sender.close()
            outcomes += _receive(receiver, process)
    return outcomes


def _receive(receiver: Any, process: Any) -> list[Outcome]:
    """Returns the outcomes that a process sends; the trial in which it dies is a failed one."""
    outcomes, running = [], None
    try:
        while (message := receiver.recv()) is not None:
            if isinstance(message, Outcome):
                outcomes.append(message)
                running = None
            else:
                running = message
    except EOFError:
        process.join()
        if running is not None:
            outcomes.append(Outcome(running, "failed", f"the process died, exit code {process.exitcode}"))
    process.join()
    return outcomes


def summarize(outcomes: list[Outcome]) -> dict[str, Any]:
    """Returns how many trials were read, refused and failed, and the first failures with their seeds."""
    counts = collections.Counter(outcome.kind for outcome in outcomes)
    failures = [{"seed": outcome.seed, "error": outcome.error} for outcome in outcomes if outcome.kind == "failed"]
    return {"trials": len(outcomes), **{kind: counts[kind] for kind in ("read", "refused", "failed")},
            "failures": failures[:FAILURES_KEPT]}


def get_arguments() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1.0, help="for each reader (default %(default)s)")
    parser.add_argument("--readers", nargs="+", choices=sorted(SAMPLES), default=sorted(SAMPLES), help="default: all")
    parser.add_argument("--seed", type=int, help="run only the trial with this seed")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures to this file too")
    return parser.parse_args()


def run(options: argparse.Namespace) -> None:
    """Runs the campaign and prints a line for each reader. Raises UserError if a trial failed."""
    first, trials = (options.seed, 1) if options.seed is not None else (0, None)
    figures = {}
    for reader in options.readers:
        figures[reader] = summarize(fuzz_reader(reader, 60 * options.minutes, first, trials))
        print(reader, json.dumps(figures[reader]), flush=True)
    if options.json:
        about = {**describe_machine(torch.device("cpu")), "date": time.strftime("%Y-%m-%d")}
        write_text(options.json, json.dumps({**about, "minutes": options.minutes, "readers": figures}, indent=1) + "\n")
    failed = sum(reader["failed"] for reader in figures.values())
    if failed:
        raise UserError(f"{failed} trials failed, expected none; repeat one with --readers NAME --seed N")


def main() -> int:
    """Entry point; returns the exit status."""
    return exit_status("fuzz.py", lambda: run(get_arguments()))


if __name__ == "__main__":
    sys.exit(main())
