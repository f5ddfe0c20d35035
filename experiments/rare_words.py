"""Speaks 300 names and rare words that are in no dictionary, read in three ways, and compares what is heard.

    python experiments/rare_words.py letters out/letters            # the unknown word as letters
    python experiments/rare_words.py network out/network            # as phonemes by the network of text/g2p.py
    python experiments/rare_words.py hand out/hand                  # as phonemes written by hand
    python experiments/rare_words.py compare letters.json network.json hand.json --json results/rare_words.json

The first three write OUT/<word>.wav, by the voice that ships on the CPU, and OUT/texts.txt with lines name|text for a
speech recogniser. `compare` takes the recogniser's results, {"rows": [{"name", "said", "heard"}, ...]}, said and
heard in small letters without marks; words that one of them lacks are left out. A recogniser does not know how most of
these names are spelled, so beside the errors in spelling it counts those in sound: what was heard in the place of the
word is read by CMUdict, or if it is not there by the network, and compared with the pronunciation by hand, stress left
out. That reading makes errors too, the same for all three; `hand` shows how many. For the network it also counts the
errors of its phonemes themselves.
"""
import argparse
import functools
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from audio import write_wav
from experiments.command import exit_status
from experiments.g2p_words import distance, without_stress
from experiments.machine import describe_machine
from runtime.console import print_result
from runtime.files import make_folder, read_lines, write_text
from synthesize import Synthesizer
from text import Lexicon
from text.g2p import guess
from text.phonemes import pronounce

LIST = Path(__file__).with_name("rare_words.txt")
WAYS = ("letters", "network", "hand")


class RareWord(NamedTuple):
    """A line of rare_words.txt."""
    name: str  # small letters
    phonemes: str
    sentence: str


def read_rare_words() -> list[RareWord]:
    """Returns the words of rare_words.txt."""
    rows = [line.split("|") for line in read_lines(LIST) if line and line[0] != "#"]
    return [RareWord(word.lower(), phonemes, sentence) for word, phonemes, sentence in rows]


def speak_all(way: str, out: Path) -> None:
    """Writes a wav of each sentence, its rare word read by one of WAYS, and texts.txt."""
    make_folder(out)
    words, synthesizer = read_rare_words(), Synthesizer(device="cpu")
    by_hand = Lexicon({word.name: word.phonemes for word in words}) if way == "hand" else None
    network = guess if way == "network" else lambda word: None
    with mock.patch("text.g2p.guess", network):
        for word in words:
            speech = synthesizer.speak(word.sentence, lexicon=by_hand)
            write_wav(out / f"{word.name}.wav", speech.wave)
    write_text(out / "texts.txt", "".join(f"{word.name}|{word.sentence}\n" for word in words))


def said_words(word: RareWord) -> list[str]:
    """Returns the words of the sentence in small letters."""
    return [part.strip(".,?!").lower() for part in word.sentence.split()]


def heard_word(word: RareWord, heard: str) -> str:
    """Returns what was heard in the place of the rare word: what remains after the best match of the words around it.

    Of several places that match equally well, the one that is spelled most like the word.
    """
    said, parts = said_words(word), heard.split()
    place = said.index(word.name)
    best = min((distance(parts[:start], said[:place]) + distance(parts[stop:], said[place + 1:]),
                distance("".join(parts[start:stop]), word.name), start, stop)
               for start in range(len(parts) + 1) for stop in range(start, len(parts) + 1))
    return " ".join(parts[best[2]:best[3]])


def sounds(text: str) -> list[str]:
    """Returns the phonemes of what was heard, without stress."""
    return without_stress(" ".join(pronounce(part) or guess(part) or "" for part in text.split()).split())


def count_errors(words: list[RareWord], result: Path) -> dict[str, Any]:
    """Returns the shares of errors of one reading, from the recogniser's results; and what was heard of each word."""
    rows = {row["name"]: row for row in json.loads(result.read_text(encoding="utf-8"))["rows"]}
    heard = {word.name: heard_word(word, rows[word.name]["heard"]) for word in words}
    expected = {word.name: without_stress(word.phonemes.split()) for word in words}
    sound = {name: distance(sounds(heard[name]), expected[name]) for name in heard}
    pairs = [(rows[word.name]["heard"].split(), rows[word.name]["said"].split()) for word in words]
    return {"word error rate": sum(distance(*pair) for pair in pairs) / sum(len(said) for _, said in pairs),
            "rare words spelled otherwise": sum(name != text for name, text in heard.items()) / len(words),
            "letters of the rare word wrong": sum(distance(text.replace(" ", ""), name) for name, text in heard.items())
                / sum(map(len, heard)),
            "sounds of the rare word wrong": sum(sound.values()) / sum(map(len, expected.values())),
            "rare words with more than a third of the sounds wrong":
                sum(3 * sound[name] > len(expected[name]) for name in heard) / len(words),
            "heard": heard}


def compare(results: list[Path], out: Path | None) -> None:
    """Prints the errors of each reading and writes them."""
    table = {}
    heard = [{row["name"] for row in json.loads(path.read_text(encoding="utf-8"))["rows"]} for path in results]
    words = [word for word in read_rare_words() if word.name in set.intersection(*heard)]
    for path in results:
        table[path.stem] = count_errors(words, path)
        for measure, value in table[path.stem].items():
            if measure != "heard":
                print_result(f"{path.stem:10} {measure:54} {value:.4f}")
    read = {word.name: guess(word.name) or "" for word in words}
    errors = sum(distance(without_stress(read[word.name].split()), without_stress(word.phonemes.split()))
                 for word in words) / sum(len(word.phonemes.split()) for word in words)
    print_result(f"phonemes of the network that differ from those by hand, without stress: {errors:.4f}")
    if out:
        figures = {"words": len(words), "readings": table, "network": read, "network's phonemes wrong": errors,
                   "machine": describe_machine(torch.device("cpu"))}
        write_text(out, json.dumps(figures, indent=1) + "\n")


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("way", choices=(*WAYS, "compare"))
    parser.add_argument("paths", type=Path, nargs="+", help="the folder to write, or the recogniser's results")
    parser.add_argument("--json", type=Path, help="with compare: write all figures here")
    options = parser.parse_args()
    if options.way == "compare":
        return exit_status("rare_words.py", functools.partial(compare, options.paths, options.json))
    return exit_status("rare_words.py", functools.partial(speak_all, options.way, options.paths[0]))


if __name__ == "__main__":
    sys.exit(main())
