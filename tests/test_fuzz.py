"""experiments/fuzz.py: every reader gets some damaged files here, and the campaign counts what goes wrong."""
import json
import os
import sys
import time
from pathlib import Path

import pytest

from experiments import fuzz
from experiments.fuzz_files import SAMPLES, Sample
from hparams import UserError


@pytest.mark.parametrize("reader", sorted(SAMPLES))
def test_damaged_files_are_read_or_refused_in_one_line(reader: str) -> None:
    outcomes = fuzz.fuzz_reader(reader, seconds=60, first_seed=10_000, trials=25)
    assert [outcome for outcome in outcomes if outcome.kind == "failed"] == []
    assert len(outcomes) == 25


def read_broken(path: Path) -> None:
    """Fails in a way that depends on the first byte: 0 to 3 an exception, 4 to 7 the end of the process."""
    first = (path.read_bytes() or b"x")[0]
    if first < 4:
        raise KeyError(first)
    if first < 8:
        os._exit(3)
    if first < 128:
        raise UserError("refused")


def test_exceptions_and_crashes_are_counted_and_the_campaign_goes_on(monkeypatch) -> None:
    monkeypatch.setitem(SAMPLES, "broken", Sample("x.bin", lambda _: b"\xff" * 20, read_broken))
    monkeypatch.setattr(fuzz, "mutate", lambda sample, rng: bytes([rng.choice((1, 5, 60, 200))]))
    figures = fuzz.ReaderFigures()
    figures.add(fuzz.fuzz_reader("broken", seconds=60, first_seed=0, trials=40))
    assert figures.counts["trials"] == 40 and min(figures.counts["read"], figures.counts["refused"]) > 0
    assert {failure["error"] for failure in figures.failures} == {"KeyError: 1", "the process died, exit code 3"}


def test_readers_work_at_the_same_time_and_the_smallest_failing_files_are_kept(monkeypatch, tmp_path) -> None:
    def meet_the_other(path: Path) -> None:
        """Fails; the first trial waits until the other reader has begun."""
        started, other = (tmp_path / f"{name}.started" for name in (path.name, "ab".replace(path.name, "")))
        started.touch()
        while not other.exists():
            time.sleep(0.01)
        raise KeyError("x")
    for name in "ab":
        monkeypatch.setitem(SAMPLES, name, Sample(name, lambda _: b"x", meet_the_other, is_valid=False))
    monkeypatch.setattr(fuzz, "mutate", lambda sample, rng: b"x" * rng.choice((3, 5, 7)))
    report, failures = tmp_path / "fuzz.json", tmp_path / "failures"
    arguments = ["fuzz.py", "--minutes", "0.02", "--readers", "a", "b", "--processes", "2", "--json", str(report),
                 "--failures", str(failures)]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(UserError, match="trials failed, expected none"):
        fuzz.run(fuzz.get_arguments())
    readers = json.loads(report.read_text())["readers"]
    assert all(readers[name]["failed"] == readers[name]["trials"] > 1 for name in "ab")
    assert all(path.read_bytes() == b"xxx" for path in failures.iterdir()) and len(list(failures.iterdir())) == 2


def test_a_trial_that_hangs_or_takes_all_memory_fails(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(fuzz, "SECONDS_PER_TRIAL", 1)

    def hang(path: Path) -> None:
        while True:
            pass
    monkeypatch.setitem(SAMPLES, "hanging", Sample("x.bin", lambda _: b"x", hang, is_valid=False))
    monkeypatch.setitem(SAMPLES, "greedy", Sample("x.bin", lambda _: b"x", lambda _: bytes(8 * 2**30), is_valid=False))
    hanging, = fuzz.fuzz_reader("hanging", seconds=60, first_seed=0, trials=1)
    greedy, = fuzz.fuzz_reader("greedy", seconds=60, first_seed=0, trials=1)
    assert "more than 1 s" in hanging.error and greedy.error.startswith("MemoryError")
