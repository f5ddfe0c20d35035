"""Classes of words (noun, determiner, plural, ...) and what the neighbours of a word tell about its part of speech.

data/heteronym_contexts.txt has the classes, the lists and the weights; it is read when the first heteronym occurs.
"""
import functools
from typing import NamedTuple

from text.tables import load, load_rows

PARTS_OF_SPEECH = ("noun", "adj", "verb", "past")


class _Contexts(NamedTuple):
    """The data file."""
    classes_of_word: dict[str, tuple[str, ...]]
    classes_of_ending: dict[str, str]
    weights: dict[tuple[str, str], tuple[float, ...]]  # by place and class of the neighbour; as PARTS_OF_SPEECH
    lists: dict[str, frozenset[str]]  # words that single rules look for


@functools.cache
def contexts() -> _Contexts:
    """Returns the word classes and contexts of the data file, read at the first use."""
    sections = load("heteronym_contexts")
    words: dict[str, tuple[str, ...]] = {}
    endings = {}
    for name, (members,) in sections["word class"].items():
        for member in members.split(" "):
            if member[0] == "-":
                endings[member[1:]] = name
            else:
                words[member] = (*words.get(member, ()), name)
    weights = {}
    for row in load_rows("heteronym_contexts"):
        if row[0] in ("previous", "before previous", "next", "end", "start"):
            weights[row[0], row[1]] = tuple(float(weight) for weight in " ".join(row[2:]).split())
    lists = {name: frozenset(members.split(" ")) for name, (members,) in sections["list"].items()}
    return _Contexts(words, endings, weights, lists)


def word_list(name: str) -> frozenset[str]:
    """Returns a list of words of data/heteronym_contexts.txt."""
    return contexts().lists[name]


def classes_of(word: str) -> tuple[str, ...]:
    """Returns the classes of a word: its own, or that of its ending."""
    known = contexts()
    if word in known.classes_of_word:
        return known.classes_of_word[word]
    if word.endswith("'s") or word.endswith("s'"):
        return ("possessive",)
    if len(word) == 1 and word.isupper():  # the last letter of an acronym: "a CDC survey"
        return ("singular",)
    for length in (4, 3, 2, 1):
        name = known.classes_of_ending.get(word[-length:]) if len(word) > length + 1 else None
        if name and not word.endswith("ss"):
            return (name,)
    return ("other",)


def part_of_speech(words: list[str], pauses: list[str], index: int) -> list[float]:
    """Returns how much the neighbours of words[index] speak for each of PARTS_OF_SPEECH; below zero: against it."""
    weights = contexts().weights
    total = [0.0] * len(PARTS_OF_SPEECH)
    for place, neighbour in _neighbours(words, pauses, index):
        for name in classes_of(neighbour) if neighbour else ("any",):
            for number, weight in enumerate(weights.get((place, name), ())):
                total[number] += weight
    return _agree(total, words, pauses, index)


def _agree(total: list[float], words: list[str], pauses: list[str], index: int) -> list[float]:
    """Returns the weights of `part_of_speech`, with more for a verb where it agrees with the words before it.

    A verb in -s follows a singular ('the army records', but 'army men record'); one without follows 'helps the body'.
    """
    if index == 1 and not pauses[0] and "plural" in classes_of(words[0]):
        total[PARTS_OF_SPEECH.index("verb")] += 1.0
    if index > 2 and words[index - 3] in word_list("helps") and not pauses[index - 1] and (
            {"determiner", "possessive"} & set(classes_of(words[index - 2]))):
        total[PARTS_OF_SPEECH.index("verb")] += 4.0
    if index > 1 and _is_third_person(words, pauses, index):
        total[PARTS_OF_SPEECH.index("verb")] += 4.0
    if index and not pauses[index - 1] and words[index].endswith("s"):
        previous = classes_of(words[index - 1])
        verb = PARTS_OF_SPEECH.index("verb")
        total[verb] += -4.0 if "plural" in previous else 2.5 if set(previous) & {"singular", "third"} else 0.0
    return total


def _neighbours(words: list[str], pauses: list[str], index: int) -> list[tuple[str, str]]:
    """(place, word) of the neighbours that count; adverbs are passed over, and a pause is an end."""
    places = []
    previous = index - 1
    if words[max(0, previous - 1):index] == ["no", "longer"] and previous > 1:
        previous -= 2
    if previous >= 0 and not pauses[previous]:
        places.append(("previous", words[previous]))
        while {"adverb", "not"} & set(classes_of(words[previous])) and previous and not pauses[previous - 1]:
            previous -= 1
            places.append(("previous", words[previous]))
        if previous and not pauses[previous - 1] and "plural" not in classes_of(words[previous]):
            places.append(("before previous", words[previous - 1]))
    else:
        places.append(("start", ""))
    if index + 1 < len(words) and not pauses[index]:
        following = index + 1
        number = following + 1 < len(words) and "number" in classes_of(words[following + 1])
        if number and words[following] in word_list("roughly"):
            following += 1  # "uses about twenty percent"
        places.append(("next", words[following]))
    else:
        places.append(("end", ""))
    return places


def _is_third_person(words: list[str], pauses: list[str], index: int) -> bool:
    """True in 'this project uses new tools': a determiner, a noun, and a word in -s before what may be its object."""
    if pauses[index - 1] or pauses[index] or not words[index].endswith("s") or index + 1 == len(words):
        return False
    goes_on = {"finite", "bare verb", "be", "have", "do", "modal", "preposition", "conjunction", "to", "wh", "that"}
    return classes_of(words[index - 1]) == ("other",) and "determiner" in classes_of(words[index - 2]) and not (
        goes_on & set(classes_of(words[index + 1])))
