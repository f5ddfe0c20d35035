"""Words that are in no dictionary, but whose American spelling or stem is: 'organised', 'hashtags', 'unsalted'.

What is found so is surer than what the network of text/g2p.py guesses.
"""
import functools
import itertools
import re
from collections.abc import Callable, Iterator

from text.tables import Section, load

_SIBILANTS = frozenset({"S", "Z", "SH", "ZH", "CH", "JH"})
_VOICELESS = frozenset({"P", "T", "K", "F", "TH"})

Lookup = Callable[[str], str | None]

_SHORTEST_STEM = 3
_LONG = re.compile(r"([a-z])\1\1+")


@functools.cache
def _tables() -> dict[str, Section]:
    """Returns the sections of data/spellings.txt, read when the first unknown word occurs."""
    return load("spellings")


def pronounce_by_relatives(word: str, look_up: Lookup) -> str | None:
    """Returns the phonemes of an unknown word in small letters by a word that is written a little differently.

    look_up: returns the phonemes of a known word. None if neither another spelling nor a stem is known.
    """
    american = next(filter(None, map(look_up, _american(word))), None)
    return _inflected(word, look_up) or american or _prefixed(word, look_up) or _shortened(word, look_up)


def _shortened(word: str, look_up: Lookup) -> str | None:
    """Returns the phonemes of a word of which letters are written three times and more: sooo, whaaat, helllooo."""
    if not _LONG.search(word):
        return None
    return next(filter(None, map(look_up, (_LONG.sub(r"\1", word), _LONG.sub(r"\1\1", word)))), None)


def _american(word: str) -> Iterator[str]:
    """Yields the word with one British spelling after the other made American."""
    for british, (american,) in _tables()["spelling"].items():
        place = word.rfind(british, 1)
        if place > 0:
            yield word[:place] + american + word[place + len(british):]


def _inflected(word: str, look_up: Lookup) -> str | None:
    """Returns the phonemes of a stem and of the ending such as -s, -ed, -ing, -ly."""
    for ending, say in _ENDINGS.items():
        if not word.endswith(ending) or len(word) - len(ending) < _SHORTEST_STEM:
            continue
        stems = list(_stems(word[:-len(ending)], ending))
        american = (spelling for stem in stems for spelling in _american(stem))
        found = next(filter(None, map(look_up, itertools.chain(stems, american))), None)
        if found:
            return f"{found} {say(found.rsplit(' ', 1)[-1])}"
    return None


def _prefixed(word: str, look_up: Lookup) -> str | None:
    """Returns the phonemes of a prefix and the known word after it: re-compile, un-salted."""
    for prefix, (said,) in _tables()["prefix"].items():
        rest = word[len(prefix):]
        if word.startswith(prefix) and len(rest) > _SHORTEST_STEM:
            found = look_up(rest) or _inflected(rest, look_up)
            if found:
                return f"{said} {found}"
    return None


def _stems(rest: str, ending: str) -> Iterator[str]:
    """Yields what the stem may be: of 'tweeting' tweet, of 'vaping' vape, of 'blogging' blog, of 'hoodies' hoodie."""
    if ending == "s":
        if rest.endswith("ie"):
            yield rest
            yield rest[:-2] + "y"
        elif not rest.endswith(("s", "u", "i")):
            yield rest
            if rest.endswith(("she", "che", "xe", "se", "oe", "ze")):
                yield rest[:-1]
        return
    if ending in ("ed", "ing", "able", "ish"):
        if len(rest) > _SHORTEST_STEM and rest[-1] == rest[-2] and rest[-1] not in "aeious" and (
                rest[-1] != "l" or len(rest) > 4):  # labelling, not falling
            yield rest[:-1]
        yield rest + "e"
        if ending == "ed" and rest[-1] == "i":
            yield rest[:-1] + "y"
    yield rest


def _s(last: str) -> str:
    """Returns the phonemes of a plural s after the phoneme `last`."""
    return "IH0 Z" if last in _SIBILANTS else "S" if last in _VOICELESS else "Z"


def _ed(last: str) -> str:
    """Returns the phonemes of -ed after the phoneme `last`."""
    return "IH0 D" if last in ("T", "D") else "T" if last in _VOICELESS | (_SIBILANTS - {"Z", "ZH", "JH"}) else "D"


_ENDINGS: dict[str, Callable[[str], str]] = {
    "s": _s, "ed": _ed, "ing": lambda _: "IH0 NG", "ly": lambda last: "IY0" if last == "L" else "L IY0",
    "ness": lambda _: "N AH0 S", "less": lambda _: "L AH0 S", "able": lambda _: "AH0 B AH0 L",
    "ful": lambda _: "F AH0 L", "ish": lambda _: "IH0 SH", "ment": lambda _: "M AH0 N T"}
