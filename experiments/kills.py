"""Kills the scripts at random moments, starts them again until they end, and compares the result with that of one run.

    python experiments/kills.py --minutes 10 --json results/kills.json

Each trial is one run in a folder of its own, at tiny sizes on the CPU: preprocess.py, train.py for the three models and
for a whole voice, its --export, the export to ONNX and synthesize.py. It is killed up to four times by SIGKILL, SIGTERM
or SIGINT, at a random time or right after a random change in its folder, and the same command is given again. A trial
fails if after a kill a file is not whole, finished work is lost or an older file is damaged; if the command cannot go
on; or if at the end a temporary file or a lock is left, or the result is not equal to the bit (mels of preprocess.py:
but for rounding) to that of an undisturbed run. Before the trials, one undisturbed run of each takes about a minute.
"""
import argparse
import collections
import dataclasses
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any, NamedTuple

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from experiments.command import exit_status
from experiments.kill_jobs import JOBS, OLDER, ROOT, Job, Part, digest, make_inputs, same
from experiments.machine import describe_machine
from hparams import UserError
from runtime.console import print_result
from runtime.devices import available_cpus
from runtime.files import write_text

KILLS = 4  # of one trial, at most
SECONDS_PER_RUN = 300  # a run that takes longer fails
WATCH_SECONDS = 0.002  # between two looks at the folder of a run
REPORT_SECONDS = 30.0
STOPPED = {0, 1, 130, -signal.SIGINT, -signal.SIGTERM, -signal.SIGKILL}  # exit statuses after a signal


class Reference(NamedTuple):
    """An undisturbed run."""
    result: Mapping[str, Part]
    seconds: float
    changes: int  # of files in its folder


class Fault(Exception):
    """What a trial found."""


@dataclasses.dataclass
class Outcome:
    """One trial."""
    signals: list[str] = dataclasses.field(default_factory=list)  # that met a running process
    fault: str = ""


def snapshot(folder: Path) -> set[tuple[str, int, int]]:
    """Returns path, inode and size of each file below a folder."""
    found = set()
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                about = os.stat(os.path.join(parent, name))
            except FileNotFoundError:  # removed since
                continue
            found.add((os.path.join(parent, name), about.st_ino, about.st_size))
    return found


def wait_for_changes(process: subprocess.Popen, folder: Path, most: int) -> int:
    """Waits until a process has ended or the files in its folder have changed `most` times; returns the changes."""
    before, count = snapshot(folder), 0
    while process.poll() is None and count < most:
        time.sleep(WATCH_SECONDS)
        now = snapshot(folder)
        count, before = count + (now != before), now
    return count


def start(job: Job, inputs: Path, folder: Path, errors: Any) -> subprocess.Popen:
    """Starts a run of a job, or continues it; errors: the file that gets its standard error."""
    return subprocess.Popen([sys.executable, *map(str, job.command(inputs, folder))], cwd=ROOT,
                            env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL, stderr=errors)


def make_reference(name: str, inputs: Path) -> Reference:
    """Returns the undisturbed run of a job. Raises UserError if it fails."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as errors:
        begin = time.monotonic()
        process = start(JOBS[name], inputs, Path(folder), errors)
        changes = wait_for_changes(process, Path(folder), sys.maxsize)
        if process.returncode:
            errors.seek(0)
            raise UserError(f"{name}: the undisturbed run failed: {errors.read()[-500:].decode()}")
        return Reference(JOBS[name].result(Path(folder)), time.monotonic() - begin, changes)


def run_trial(name: str, inputs: Path, reference: Reference, seed: int) -> Outcome:
    """Runs one trial of a job; seed: of the moments and the signals."""
    outcome, rng, job = Outcome(), random.Random(seed), JOBS[name]
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        for older in job.older:
            (folder / older).write_bytes(OLDER)
        try:
            _run_to_the_end(job, inputs, folder, reference, rng, outcome)
            _check_result(job, folder, reference)
        except (Fault, UserError) as error:
            outcome.fault = f"after {', '.join(outcome.signals) or 'no signal'}: {error}"
    return outcome


def _run_to_the_end(job: Job, inputs: Path, folder: Path, reference: Reference, rng: random.Random,
                    outcome: Outcome) -> None:
    """Kills and starts a run until it ends by itself. Raises Fault or UserError."""
    finished = 0
    for kill in range(KILLS + 1):
        with tempfile.TemporaryFile() as errors:
            process = start(job, inputs, folder, errors)
            if kill < KILLS:
                outcome.signals += _kill(process, folder, reference, rng)
            try:
                status = process.wait(SECONDS_PER_RUN)
            except subprocess.TimeoutExpired:
                process.kill()
                raise Fault(f"a run did not end in {SECONDS_PER_RUN} s") from None
            errors.seek(0)
            lines = errors.read().decode(errors="replace").strip().splitlines()
        # Python prints one itself when it is interrupted while it starts, ends or imports a library's C code.
        traceback = any("Traceback" in line for line in lines)
        interrupted = any("KeyboardInterrupt" in line for line in lines)
        if traceback and not interrupted or status not in (STOPPED if kill < KILLS else {0}):
            raise Fault(f"exit status {status}: {' / '.join(lines[-3:])}")
        before, finished = finished, job.check(folder)
        if finished < before:
            raise Fault(f"{before} finished before the last run, {finished} after it")
        for older in job.older:
            if digest((folder / older).read_bytes()) not in (digest(OLDER), reference.result[older]):
                raise Fault(f"{older} is neither the older file nor the new one")
        if status == 0:
            return


def _kill(process: subprocess.Popen, folder: Path, reference: Reference, rng: random.Random) -> list[str]:
    """Sends one or two signals to a run at a random moment; returns the names of those that met it running."""
    if rng.random() < 0.5:
        wait_for_changes(process, folder, rng.randint(1, max(1, reference.changes)))
        time.sleep(rng.choice((0.0, 0.005 * rng.random())))
    else:
        try:
            process.wait(rng.uniform(0, reference.seconds))
        except subprocess.TimeoutExpired:
            pass
    numbers = [rng.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT))]
    if numbers[0] != signal.SIGKILL and rng.random() < 0.3:
        numbers.append(rng.choice((numbers[0], signal.SIGKILL)))  # by an impatient user
    sent = []
    for number in numbers:
        if process.poll() is None:
            process.send_signal(number)
            sent.append(number.name)
            time.sleep(0.3 * rng.random())
    return sent


def _check_result(job: Job, folder: Path, reference: Reference) -> None:
    """Raises Fault if a finished run left something behind or has another result than the undisturbed one."""
    left = [path.name for path in folder.rglob("*") if path.name == ".lock" or path.suffix == ".tmp"]
    if left:
        raise Fault(f"left behind: {', '.join(left)}")
    result = job.result(folder)
    wrong = [part for part in sorted(result.keys() | reference.result.keys())
             if not same(result.get(part), reference.result.get(part))]
    if wrong:
        raise Fault(f"not equal to the undisturbed run: {', '.join(wrong[:5])}")


class Campaign:
    """Trials of several jobs in turn, several at the same time, and their figures."""

    def __init__(self, jobs: list[str], inputs: Path, pool: ProcessPoolExecutor) -> None:
        self.inputs, self.pool = inputs, pool
        self.references = dict(zip(jobs, pool.map(make_reference, jobs, [inputs] * len(jobs))))
        for job, reference in self.references.items():
            print_result(f"{job}: undisturbed {reference.seconds:.1f} s, {reference.changes} changes of files")
        self.trials = collections.Counter({job: 0 for job in jobs})
        self.kills = {job: collections.Counter() for job in jobs}
        self.failures: dict[str, list[str]] = {job: [] for job in jobs}
        self.running: dict[Future[Outcome], str] = {}
        self.started = 0

    def start_trial(self) -> None:
        """Starts a trial of the next job."""
        job = list(self.references)[self.started % len(self.references)]
        future = self.pool.submit(run_trial, job, self.inputs, self.references[job], self.started)
        self.running[future] = job
        self.started += 1

    def collect(self, seconds: float) -> None:
        """Counts the trials that have ended; waits for one, at most for some seconds."""
        for future in wait(self.running, seconds, FIRST_COMPLETED).done:
            job, outcome = self.running.pop(future), future.result()
            self.trials[job] += 1
            self.kills[job].update(outcome.signals)
            if outcome.fault:
                self.failures[job].append(outcome.fault)
                print_result(f"{job}: {outcome.fault}")

    def figures(self) -> dict[str, Any]:
        """Returns the figures of each job as plain values for JSON."""
        return {job: {"trials": self.trials[job], "kills": dict(sorted(self.kills[job].items())),
                      "failed": len(self.failures[job]), "failures": self.failures[job][:20]} for job in self.trials}


def get_arguments() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1.0, help="in which trials are started (default %(default)s)")
    parser.add_argument("--jobs", nargs="+", choices=sorted(JOBS), default=list(JOBS), help="default: all")
    parser.add_argument("--processes", type=int, default=available_cpus(), metavar="N",
                        help="trials at the same time (default: the CPUs, %(default)s here)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures to this file too")
    return parser.parse_args()


def run(options: argparse.Namespace) -> None:
    """Runs the campaign. Raises UserError if a trial failed."""
    torch.set_num_threads(1)  # a forked process must not wait for threads of this one
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores SIGINT, and so would the runs
    about = {**describe_machine(torch.device("cpu")), "date": time.strftime("%Y-%m-%d"), "processes": options.processes}
    with (tempfile.TemporaryDirectory() as inputs,
          ProcessPoolExecutor(options.processes, multiprocessing.get_context("fork")) as pool):
        make_inputs(Path(inputs))
        campaign = Campaign(options.jobs, Path(inputs), pool)
        begin = reported = time.monotonic()
        while True:
            while len(campaign.running) < options.processes and time.monotonic() - begin < 60 * options.minutes:
                campaign.start_trial()
            if not campaign.running:
                break
            campaign.collect(REPORT_SECONDS)
            if time.monotonic() - reported > REPORT_SECONDS or not campaign.running:
                reported = time.monotonic()
                figures = {**about, "minutes": round((reported - begin) / 60, 1), "jobs": campaign.figures()}
                if options.json:
                    write_text(options.json, json.dumps(figures, indent=1) + "\n")
                print_result(f"{reported - begin:.0f} s: {sum(campaign.trials.values())} trials, "
                             f"{sum(sum(kills.values()) for kills in campaign.kills.values())} signals, "
                             f"{sum(map(len, campaign.failures.values()))} failed")
    for job, figures in campaign.figures().items():
        print_result(f"{job} {json.dumps(figures)}")
    failed = sum(map(len, campaign.failures.values()))
    if failed:
        raise UserError(f"{failed} trials failed, expected none")


def main() -> int:
    """Entry point; returns the exit status."""
    return exit_status("kills.py", lambda: run(get_arguments()))


if __name__ == "__main__":
    sys.exit(main())
