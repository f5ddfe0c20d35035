"""Measures the network of text/g2p.py on the words of CMUdict that it did not learn from, and its speed.

    python experiments/measure_g2p.py --json results/g2p.json

A word is right if it is said as one of CMUdict's entries of it; the phoneme error rate is the edit distance to the
nearest entry, over its phonemes. Of the held-out words that text/spellings.py knows by a stem or another spelling, both
it and the network are measured: it may look up every other word, the network has learned no form of the stem. Loading
is CPU time in new processes that have read a known word, from the import of text.g2p to the end of the first unknown
word.
"""
import argparse
import functools
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from experiments.command import exit_status
from experiments.g2p_words import closest, read_words, without_stress
from experiments.machine import describe_machine
from runtime.console import print_result
from runtime.files import write_text
from text.g2p import WEIGHTS, load_g2p
from text.phonemes import pronounce
from text.spellings import pronounce_by_relatives

ROOT = Path(__file__).parents[1]
STARTS = 5  # processes that are timed
LOADING = ("import numpy, time; from text.phonemes import look_up, sound_out; look_up(['word'], [''], 0); "
           "start = time.process_time(); sound_out('zelensky'); print(time.process_time() - start)")


def error_rates(found: dict[str, list[str]], words: dict[str, list[list[str]]]) -> dict[str, float]:
    """Returns the shares of wrong phonemes and wrong words, with stress and without.

    found: the network's phonemes of each word; words: CMUdict's entries of it.
    """
    figures = {}
    for name, change in (("", list), (", without stress", without_stress)):
        errors = [closest(change(found[word]), [change(entry) for entry in entries]) for word, entries in words.items()]
        figures[f"phonemes wrong{name}"] = sum(wrong for wrong, _ in errors) / sum(length for _, length in errors)
        figures[f"words wrong{name}"] = sum(wrong > 0 for wrong, _ in errors) / len(errors)
    return figures


def relatives(words: dict[str, list[list[str]]]) -> dict[str, list[str]]:
    """Returns the phonemes of the words that a known word of another spelling or a stem tells."""
    found = {}
    for word in words:
        said = pronounce_by_relatives(word, functools.partial(_pronounce_other, word))
        if said:
            found[word] = said.split()
    return found


def _pronounce_other(word: str, other: str) -> str | None:
    """Returns the phonemes of a known word other than `word`."""
    return None if other == word else pronounce(other)


def measure(out: Path | None) -> None:
    """Prints the figures and writes them."""
    network, words = load_g2p(WEIGHTS), read_words()
    found, seconds = {}, []
    for word in words.held_out:
        start = time.perf_counter()
        found[word] = (network.pronounce(word) or "").split()
        seconds.append(time.perf_counter() - start)
    inflected = relatives(words.held_out)
    entries = {word: words.held_out[word] for word in inflected}
    loads = [float(subprocess.run([sys.executable, "-c", LOADING], cwd=ROOT, capture_output=True, check=True).stdout)
             for _ in range(STARTS)]
    figures: dict[str, Any] = {
        "words": len(found), **error_rates(found, words.held_out),
        "words without a vowel": sum(not said for said in found.values()),
        "words with a stem": len(inflected),
        **{f"{name} by the network": rate for name, rate in error_rates(found, entries).items()},
        **{f"{name} by the stem": rate for name, rate in error_rates(inflected, entries).items()},
        "milliseconds a word": 1e3 * statistics.median(seconds),
        "CPU milliseconds to load": 1e3 * statistics.median(loads),
        "bytes": os.path.getsize(WEIGHTS)}
    for name, value in figures.items():
        print_result(f"{name:47} {value:.4g}" if isinstance(value, float) else f"{name:47} {value}")
    if out:
        machine = describe_machine(torch.device("cpu"))
        write_text(out, json.dumps({**figures, "machine": machine}, indent=1) + "\n")


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    return exit_status("measure_g2p.py", functools.partial(measure, options.json))


if __name__ == "__main__":
    sys.exit(main())
