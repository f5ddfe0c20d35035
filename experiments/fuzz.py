"""Damages valid files at random and gives them to every reader: each must be read or refused in one line.

    python experiments/fuzz.py --minutes 10 --json results/fuzz.json     # ten minutes for each reader
    python experiments/fuzz.py --readers student --seed 123              # one trial again

A trial fails if it raises anything but UserError, ends the process, takes more than 10 s, or needs more than 4 GiB of
memory. The seed of a trial determines its damage. Each reader works in processes of its own, so that a crash or a lack
of memory is counted and the next trial goes on. As many readers as there are CPUs work at the same time. The figures
are written after every 30 s of each reader; --failures keeps the smallest file of each kind of failure.
"""
import argparse
import json
import multiprocessing
import random
import resource
import signal
import sys
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from experiments.command import exit_status
from experiments.fuzz_files import SAMPLES, mutate
from experiments.machine import describe_machine
from hparams import UserError
from runtime.console import print_result
from runtime.devices import available_cpus
from runtime.files import make_folder, write_text

SECONDS_PER_TRIAL = 10
MEMORY = 4 * 2**30  # bytes that a trial may need beyond what the process has when it starts
TRIALS_PER_PROCESS = 500
SECONDS_PER_ROUND = 30  # of each reader; the figures are written after each round
FAILURES_KEPT = 20  # in the report, of each reader


class Outcome(NamedTuple):
    """The result of one trial."""
    seed: int
    kind: str  # "read", "refused" or "failed"
    error: str = ""  # of a failed trial
    content: bytes = b""  # of a failed trial: the damaged file


class _Timeout(Exception):
    """Raised by the alarm when a trial takes too long."""


def _raise_timeout(_number: int, _frame: object) -> None:
    raise _Timeout(f"more than {SECONDS_PER_TRIAL} s")


def run_trial(reader: str, sample: bytes, folder: Path, seed: int) -> Outcome:
    """Gives a damaged copy of a reader's sample file to the reader; seed: determines the damage."""
    path = folder / SAMPLES[reader].name
    path.write_bytes(mutate(sample, random.Random(seed)))
    signal.signal(signal.SIGALRM, _raise_timeout)
    signal.alarm(SECONDS_PER_TRIAL)
    try:
        SAMPLES[reader].read(path)
        return Outcome(seed, "read")
    except UserError as error:
        problem = "" if str(error).strip() else "an empty message"
    except (Exception, _Timeout) as error:  # whatever else is raised is a fault of the reader
        problem = f"{type(error).__name__}: {error}"[:300]
    finally:
        signal.alarm(0)
    return Outcome(seed, "failed", problem, path.read_bytes()) if problem else Outcome(seed, "refused")


def run_trials(reader: str, sample: bytes, folder: Path, seeds: list[int], deadline: float, results: Any) -> None:
    """Runs trials until the deadline. Sends the seed and the outcome of each through a pipe, and None at the end."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # about what is unusual in a damaged file
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
            outcomes += _receive(receiver, process, folder / SAMPLES[reader].name)
    return outcomes


def _receive(receiver: Any, process: Any, path: Path) -> list[Outcome]:
    """Returns the outcomes that a process sends; the trial in which it dies is a failed one. path: of its files."""
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
            error = f"the process died, exit code {process.exitcode}"
            outcomes.append(Outcome(running, "failed", error, path.read_bytes()))
    process.join()
    return outcomes


class ReaderFigures:
    """Counts of the outcomes of a reader, and the smallest failing file of each kind of error."""

    def __init__(self) -> None:
        self.counts = {"trials": 0, "read": 0, "refused": 0, "failed": 0}
        self.failures: list[dict[str, Any]] = []  # the first ones, with their seeds
        self.smallest: dict[str, Outcome] = {}  # by the name of the exception

    def add(self, outcomes: list[Outcome]) -> None:
        """Counts the outcomes of more trials."""
        for outcome in outcomes:
            self.counts["trials"] += 1
            self.counts[outcome.kind] += 1
            if outcome.kind == "failed":
                if len(self.failures) < FAILURES_KEPT:
                    self.failures.append({"seed": outcome.seed, "error": outcome.error})
                kind = outcome.error.split(":")[0]
                if len(outcome.content) < len(self.smallest.get(kind, outcome).content) or kind not in self.smallest:
                    self.smallest[kind] = outcome

    def summary(self) -> dict[str, Any]:
        """Returns the figures as plain values for JSON."""
        return {**self.counts, "failures": self.failures}

    def write_failures(self, folder: Path, reader: str) -> None:
        """Writes the smallest failing file of each kind of error, as READER-SEED-NAME."""
        for outcome in self.smallest.values():
            path = make_folder(folder) / f"{reader.replace(' ', '-')}-{outcome.seed}-{SAMPLES[reader].name}"
            path.write_bytes(outcome.content)


def get_arguments() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1.0, help="for each reader (default %(default)s)")
    parser.add_argument("--readers", nargs="+", choices=sorted(SAMPLES), default=sorted(SAMPLES), help="default: all")
    parser.add_argument("--seed", type=int, help="run only the trial with this seed")
    parser.add_argument("--processes", type=int, default=available_cpus(), metavar="N",
                        help="readers that work at the same time (default: the CPUs, %(default)s here)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures to this file too")
    parser.add_argument("--failures", type=Path, metavar="FOLDER",
                        help="write the smallest file of each kind of failure into this folder")
    return parser.parse_args()


def run_rounds(options: argparse.Namespace) -> dict[str, ReaderFigures]:
    """Runs all readers in rounds of 30 s and returns their figures; writes these after each round."""
    torch.set_num_threads(1)  # a forked process must not wait for threads of this one
    figures = {reader: ReaderFigures() for reader in options.readers}
    seconds = 60 * options.minutes
    about = {**describe_machine(torch.device("cpu")), "date": time.strftime("%Y-%m-%d"), "processes": options.processes}
    with ProcessPoolExecutor(options.processes, multiprocessing.get_context("fork")) as pool:
        done = 0.0
        while done < seconds:
            length = min(SECONDS_PER_ROUND, seconds - done)
            rounds = {reader: pool.submit(fuzz_reader, reader, length, figures[reader].counts["trials"])
                      for reader in options.readers}
            for reader, future in rounds.items():
                figures[reader].add(future.result())
            done += length
            _write(options, {**about, "minutes": round(done / 60, 2)}, figures)
            print_result(f"{done:.0f} of {seconds:.0f} s of each reader: "
                         f"{sum(reader.counts['trials'] for reader in figures.values())} trials, "
                         f"{sum(reader.counts['failed'] for reader in figures.values())} failed")
    return figures


def _write(options: argparse.Namespace, about: dict[str, Any], figures: dict[str, ReaderFigures]) -> None:
    """Writes the figures and the failing files, as far as the options ask for them."""
    if options.json:
        readers = {reader: figures[reader].summary() for reader in figures}
        write_text(options.json, json.dumps({**about, "readers": readers}, indent=1) + "\n")
    if options.failures:
        for reader in figures:
            figures[reader].write_failures(options.failures, reader)


def run(options: argparse.Namespace) -> None:
    """Runs the campaign, or one trial, and prints a line for each reader. Raises UserError if a trial failed."""
    if options.seed is None:
        figures = run_rounds(options)
    else:
        figures = {reader: ReaderFigures() for reader in options.readers}
        for reader in figures:
            figures[reader].add(fuzz_reader(reader, SECONDS_PER_TRIAL + 60, options.seed, trials=1))
        _write(options, {"seed": options.seed}, figures)
    for reader in figures:
        print_result(f"{reader} {json.dumps(figures[reader].summary())}")
    failed = sum(reader.counts["failed"] for reader in figures.values())
    if failed:
        raise UserError(f"{failed} trials failed, expected none; repeat one with --readers NAME --seed N")


def main() -> int:
    """Entry point; returns the exit status."""
    return exit_status("fuzz.py", lambda: run(get_arguments()))


if __name__ == "__main__":
    sys.exit(main())
