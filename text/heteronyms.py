"""Heteronyms: which pronunciation a word has in its context ("to record a record").

data/heteronyms.txt has the readings of each word, data/heteronym_contexts.txt what the words around it tell about its
part of speech. Both files are read when the first heteronym occurs.
"""
import functools
import re
from typing import NamedTuple

from text.tables import load

_CLASSES = ("noun", "adj", "verb", "past")
_REACH = 6  # words on each side in which a cue of a meaning counts
_REACH_OF_ADJECTIVES = 2
_ADJECTIVES = frozenset({"adj", "tiny", "feeling"})
_MEANING = 3.5  # how much evidence a meaning needs that no part of speech tells
_NAME = 20.0  # the weight of a capital
_CUE = 4.0  # the weight of a cue near by
_MADE = (["make"], ["makes"], ["made"], ["keep"], ["keeps"], ["kept"])
_CENTURIES = frozenset("nineteen twenty two".split())  # "in 1998", "in 2019"


class Reading(NamedTuple):
    """One way to say a heteronym."""
    classes: frozenset[str]  # noun, adj, verb, past, or the name of a meaning
    phonemes: str
    cues: frozenset[str]  # words near by that show this meaning


class _Contexts(NamedTuple):
    """The weights of the neighbours."""
    classes_of_word: dict[str, tuple[str, ...]]
    classes_of_ending: dict[str, str]
    weights: dict[tuple[str, str], tuple[float, ...]]  # by place and class of the neighbour, in the order of _CLASSES
    lists: dict[str, frozenset[str]]  # words that single rules look for


@functools.cache
def readings() -> dict[str, list[Reading]]:
    """The readings of every heteronym; the first is the default."""
    found: dict[str, list[Reading]] = {}
    for word, classes, phonemes, *cues in load_rows("heteronyms"):
        reading = Reading(frozenset(classes.split()), phonemes, frozenset(" ".join(cues).split()))
        found.setdefault(word, []).append(reading)
    return found


def load_rows(name: str) -> list[list[str]]:
    """The lines of text/data/`name`.txt, split into columns; a word may have several lines."""
    from text.tables import FOLDER
    lines = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [re.split(r"\s{2,}", line.strip()) for line in lines if line and line[0] != "#"]


@functools.cache
def _contexts() -> _Contexts:
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


def _list(name: str) -> frozenset[str]:
    """Returns a list of words of data/heteronym_contexts.txt."""
    return _contexts().lists[name]


def choose(words: list[str], pauses: list[str], index: int, is_name: bool = False) -> str | None:
    """Returns the phonemes of the heteronym words[index], or None if the word is none.

    words: a sentence in small letters; pauses: the mark after each word, "" if none; is_name: the word is written with
    a capital inside of a sentence ("Polish").
    """
    options = readings().get(words[index])
    if not options:
        return None
    if len(options) == 1:
        return options[0].phonemes
    by_class = dict(zip(_CLASSES, _part_of_speech(words, pauses, index)))
    special = _special(words, pauses, index)
    best = max((by_class[name] for option in options for name in option.classes & by_class.keys()), default=0.0)
    scores = []
    for option in options:
        near = _words_near(words, pauses, index, _REACH_OF_ADJECTIVES if option.classes & _ADJECTIVES else _REACH)
        score = max((by_class[name] for name in option.classes & by_class.keys()), default=best - _MEANING)
        beside = words[max(0, index - 1):index] + words[index + 1:index + 2]
        score += _CUE * sum(word in option.cues for word in near) + sum(word in option.cues for word in beside)
        score += special.get(option.phonemes, 0.0)
        scores.append(score + (_NAME if is_name and "name" in option.classes else 0.0))
    return options[scores.index(max(scores))].phonemes


def _words_near(words: list[str], pauses: list[str], index: int, reach: int) -> list[str]:
    """The words up to `reach` places before and after words[index], as far as no pause stronger than a comma comes."""
    first, last = index, index
    while first > max(0, index - reach) and pauses[first - 1] in ("", ","):
        first -= 1
    while last < min(len(words) - 1, index + reach) and pauses[last] in ("", ","):
        last += 1
    return words[first:index] + words[index + 1:last + 1]


def _part_of_speech(words: list[str], pauses: list[str], index: int) -> list[float]:
    """The weights for noun, adj, verb and past that the neighbours add up to."""
    weights = _contexts().weights
    total = [0.0] * len(_CLASSES)
    for place, neighbour in _neighbours(words, pauses, index):
        for name in _classes_of(neighbour) if neighbour else ("any",):
            for number, weight in enumerate(weights.get((place, name), ())):
                total[number] += weight
    return _agree(total, words, pauses, index)


def _agree(total: list[float], words: list[str], pauses: list[str], index: int) -> list[float]:
    """Verbs in -s follow a singular: 'the army records', but 'army men record'; a verb after 'helps the body ...'."""
    if index == 1 and not pauses[0] and "plural" in _classes_of(words[0]):
        total[_CLASSES.index("verb")] += 1.0
    if index > 2 and words[index - 3] in _list("helps") and not pauses[index - 1] and (
            {"determiner", "possessive"} & set(_classes_of(words[index - 2]))):
        total[_CLASSES.index("verb")] += 4.0
    if index and not pauses[index - 1] and words[index].endswith("s"):
        previous = _classes_of(words[index - 1])
        verb = _CLASSES.index("verb")
        total[verb] += -4.0 if "plural" in previous else 2.5 if set(previous) & {"singular", "third"} else 0.0
    return total


def _neighbours(words: list[str], pauses: list[str], index: int) -> list[tuple[str, str]]:
    """(place, word) of the neighbours that count; an adverb is passed over, and a pause is an end."""
    places = []
    previous = index - 1
    if words[max(0, previous - 1):index] == ["no", "longer"] and previous > 1:
        previous -= 2
    if previous >= 0 and not pauses[previous]:
        places.append(("previous", words[previous]))
        if {"adverb", "not"} & set(_classes_of(words[previous])) and previous and not pauses[previous - 1]:
            previous -= 1
            places.append(("previous", words[previous]))
        if previous and not pauses[previous - 1] and "plural" not in _classes_of(words[previous]):
            places.append(("before previous", words[previous - 1]))
    else:
        places.append(("start", ""))
    if index + 1 < len(words) and not pauses[index]:
        following = index + 1
        number = following + 1 < len(words) and "number" in _classes_of(words[following + 1])
        if number and words[following] in _list("roughly"):
            following += 1  # "uses about twenty percent"
        places.append(("next", words[following]))
    else:
        places.append(("end", ""))
    return places


def _classes_of(word: str) -> tuple[str, ...]:
    """Returns the classes of a word: its own, or that of its ending."""
    contexts = _contexts()
    if word in contexts.classes_of_word:
        return contexts.classes_of_word[word]
    if word.endswith("'s") or word.endswith("s'"):
        return ("possessive",)
    if len(word) == 1 and word.isupper():  # the last letter of an acronym: "a CDC survey"
        return ("singular",)
    for length in (4, 3, 2, 1):
        name = contexts.classes_of_ending.get(word[-length:]) if len(word) > length + 1 else None
        if name and not word.endswith("ss"):
            return (name,)
    return ("other",)


def _special(words: list[str], pauses: list[str], index: int) -> dict[str, float]:
    """Extra weights, by phonemes, for words whose tense or idiom no part of speech tells."""
    previous, following = words[index - 1] if index else "", words[index + 1] if index + 1 < len(words) else ""
    before, after = set(_classes_of(previous)), set(_classes_of(following))
    match words[index]:
        case "read":
            return _tense_of_read(words, pauses, index)
        case "used":
            return {"Y UW1 S T": _used_to(words, index)}
        case "august":
            return {"AO0 G AH1 S T": 4.0 if before & {"determiner", "degree", "possessive"} else -9.0}
        case "does" if (previous == "the" or "number" in before and previous != "one") and following != "not":
            return {"D OW1 Z": 8.0}
        case "bass" if following in _list("music"):
            return {"B EY1 S": 12.0}
        case "number" if following == "of":
            return {"N AH1 M ER0": -9.0}
        case "number" if previous in _list("grew") and (not following or pauses[index] or "preposition" in after):
            return {"N AH1 M ER0": 12.0}
        case "minute" if "plural" in after and not before & {"determiner", "number"}:
            return {"M AY0 N UW1 T": 6.0}
        case "minute" if before & {"be", "degree"} and "number" not in after and following != "by":
            return {"M AY0 N UW1 T": 8.0}
        case "wound" if after & {"determiner", "possessive"} and not before & {"determiner", "possessive"} and (
                _list("around") & set(words[index:index + 6])):
            return {"W AW1 N D": 12.0}
        case "lives" if previous in _list("saved"):
            return {"L AY1 V Z": 8.0}
        case "lives" if before & {"other", "singular", "third"}:
            return {"L IH1 V Z": 4.0}
        case "house" if "plural" in before and "plural" in after:
            return {"HH AW1 Z": 3.0}
        case "house" if not after & {"determiner", "number", "possessive", "object"}:
            return {"HH AW1 Z": -3.0}
        case "close" if previous == "the" and following == "of":
            return {"K L OW1 Z": 8.0}
        case "close" if following in _list("close to") and not before & {
                "to", "modal", "do", "please", "not", "pronoun"}:
            return {"K L OW1 S": 4.0}
        case "present" if following in ("in", "at") and "plural" in before:
            return {"P R EH1 Z AH0 N T": 4.0}
        case "live" if previous in _list("broadcast") or not index and following == "from":
            return {"L AY1 V": 12.0}
        case "live" if "object" in before and _list("sees") & set(words[max(0, index - 3):index - 1]):
            return {"L AY1 V": 12.0}
        case "lead" if following in _list("of metal") or (previous, following) == ("the", "out"):
            return {"L EH1 D": 8.0}
        case "lead" if following in _list("led"):
            return {"L IY1 D": 8.0}
        case "lead" if words[max(0, index - 2):index] in (["exposure", "to"], ["exposed", "to"], ["positive", "for"]):
            return {"L EH1 D": 12.0}
        case "lead" if previous in _list("contains") and (not following or pauses[index] or "preposition" in after):
            return {"L EH1 D": 8.0}
        case "object" if following == "to" and "plural" in before:
            return {"AH0 B JH EH1 K T": 4.0}
        case "content" if before & {"object", "possessive"} and words[max(0, index - 2):index - 1] in _MADE:
            return {"K AH0 N T EH1 N T": 8.0}
        case "polish" if "be" in before or following in _list("polish"):
            return {"P OW1 L IH0 SH": 6.0}
    return {}


def _used_to(words: list[str], index: int) -> float:
    """The weight of the habit in 'they used to live here' and 'is used to hard work', against 'is used to cut wood'."""
    if words[index + 1:index + 2] != ["to"]:
        return -9.0
    left = [set(_classes_of(word)) for word in words[max(0, index - 8):index]]
    if left and left[-1] & {"be", "linking"}:
        after = set(_classes_of(words[index + 2])) if index + 2 < len(words) else set()
        return 12.0 if after & {"ing", "determiner", "possessive", "object", "adjective"} else -9.0
    if left and left[-1] & {"pronoun", "third", "wh", "that"}:
        return 12.0
    return -9.0 if any(classes & {"be", "have", "finite", "modal"} for classes in left) else 12.0


def _clause(words: list[str], pauses: list[str], index: int) -> list[str]:
    """Returns the words from the pause before words[index] to the one after it."""
    first, last = index, index
    while first and not pauses[first - 1]:
        first -= 1
    while last + 1 < len(words) and not pauses[last]:
        last += 1
    return words[first:last + 1]


def _tells_past(words: list[str]) -> float:
    """Weighs the words that tell a time, such as 'yesterday' and 'in nineteen ninety-eight', against 'every day'."""
    near = set(words)
    pairs = set(zip(words, words[1:]))
    past = len(near & _list("past cues")) + any(("in", century) in pairs for century in _CENTURIES) + (
        ("this", "morning") in pairs)
    return 2.0 * past - 2.5 * len(near & _list("present cues"))


def _goes_on_in_past(words: list[str], index: int) -> bool:
    """True if a verb joined by 'and', 'but' or 'then' is past: 'I read it but forgot', 'he sat down and read'."""
    for place in range(index + 1, min(len(words) - 1, index + 8)):
        if words[place] in ("and", "but", "then") and _is_past(words[place + 1]):
            return True
    left = words[max(0, index - 7):index - 1]
    return words[max(0, index - 1):index] in (["and"], ["then"]) and "to" not in left and any(map(_is_past, left))


def _is_past(word: str) -> bool:
    """Returns whether a word is a verb in the past."""
    return word in _list("past verbs") or word.endswith("ed") and len(word) > 4 and not word.endswith("eed")


def _tense_of_read(words: list[str], pauses: list[str], index: int) -> dict[str, float]:
    """Weighs the auxiliaries before `read` and the words that tell a time, first those of its clause."""
    left = [name for word in words[max(0, index - 4):index] for name in _classes_of(word)]
    past = 0.0
    if "have" in left or "be" in left:
        past += 6.0
    if "modal" in left or "do" in left or "to" in left[-2:]:
        past -= 6.0
    previous = _classes_of(words[index - 1]) if index else ()
    if index and words[index - 1].endswith("'d") and _list("again") & set(words[index:]):  # "I'd read it if I could"
        return {"R EH1 D": -8.0}
    if index > 1 and words[index - 1] in _list("just") and {"pronoun", "third"} & set(_classes_of(words[index - 2])):
        past += 6.0
    if set(previous) & {"determiner", "adjective"} and words[index - 1] not in ("well", "widely"):  # "a good read"
        return {"R EH1 D": -8.0}
    who = bool(index) and words[index - 1] == "who" and not (index > 1 and "plural" in _classes_of(words[index - 2]))
    if set(previous) & {"third", "singular", "other"} or who:
        past += 4.0
    past += _tells_past(_clause(words, pauses, index)) or _tells_past(words)
    if _goes_on_in_past(words, index):
        past += 5.0
    return {"R EH1 D": past + (0.5 if set(previous) & {"pronoun"} else 0.0)}
