"""Heteronyms: which pronunciation a word has in its context ("to record a record").

data/heteronyms.txt has the readings of each word, data/heteronym_rules.txt what single words need, and text/
word_classes.py tells the part of speech. The files are read when the first heteronym occurs.
"""
import functools
from typing import NamedTuple

from text.tables import load_rows

_REACH = 6  # words on each side in which a cue of a meaning counts
_REACH_OF_ADJECTIVES = 2
_ADJECTIVES = frozenset({"adj", "tiny", "feeling"})
_MEANING = 3.5  # how much evidence a meaning needs that no part of speech tells
_NAME = 20.0  # the weight of a capital
_CUE = 4.0  # the weight of a cue near by


class Reading(NamedTuple):
    """One way to say a heteronym."""
    classes: frozenset[str]  # noun, adj, verb, past, or the name of a meaning
    phonemes: str
    cues: frozenset[str]  # words near by that show this meaning


class Condition(NamedTuple):
    """What must stand, or not stand, at a place beside the word."""
    wanted: bool
    place: str  # previous, next, before that, before N, after N
    members: frozenset[str]  # words, "(start)" and "(end)"
    classes: frozenset[str]


class HeteronymRule(NamedTuple):
    """A line of data/heteronym_rules.txt."""
    name: str
    phonemes: str
    weight: float  # how much it speaks for these phonemes
    conditions: list[Condition]


class Choice(NamedTuple):
    """The phonemes of a heteronym, and why: the name of the rule, or the class that the neighbours ask for."""
    phonemes: str
    reason: str


@functools.cache
def readings() -> dict[str, list[Reading]]:
    """The readings of every heteronym; the first is the default."""
    found: dict[str, list[Reading]] = {}
    for word, classes, phonemes, *cues in load_rows("heteronyms"):
        reading = Reading(frozenset(classes.split()), phonemes, frozenset(" ".join(cues).split()))
        found.setdefault(word, []).append(reading)
    return found


@functools.cache
def rules() -> dict[str, list[HeteronymRule]]:
    """The rules of single heteronyms, in order."""
    found: dict[str, list[HeteronymRule]] = {}
    for word, name, phonemes, weight, *conditions in load_rows("heteronym_rules"):
        rule = HeteronymRule(name, phonemes, float(weight), list(map(_condition, conditions)))
        found.setdefault(word, []).append(rule)
    return found


def _condition(written: str) -> Condition:
    """'not next: of <verb>' -> a Condition."""
    place, _, members = written.removeprefix("not ").partition(": ")
    words = members.split(" ")
    classes = frozenset(word[1:-1] for word in words if word[0] == "<")
    return Condition(not written.startswith("not "), place, frozenset(words), classes)


def noun(word: str) -> str | None:
    """Returns the phonemes of a heteronym as a noun, which is what has a genitive; None for what is no noun."""
    return next((option.phonemes for option in readings().get(word, ()) if "noun" in option.classes), None)


def choose(words: list[str], pauses: list[str], index: int, is_name: bool = False) -> str | None:
    """Returns the phonemes of the heteronym words[index], or None if the word is none; see `decide`."""
    choice = decide(words, pauses, index, is_name)
    return choice.phonemes if choice else None


def decide(words: list[str], pauses: list[str], index: int, is_name: bool = False) -> Choice | None:
    """Returns how the heteronym words[index] is said and why, or None if the word is none.

    words: a sentence in small letters; pauses: the mark after each word, "" if none; is_name: the word is written with
    a capital inside of a sentence ("Polish").
    """
    options = readings().get(words[index])
    if not options:
        return None
    if len(options) == 1:
        return Choice(options[0].phonemes, "only reading")
    from text.word_classes import PARTS_OF_SPEECH, part_of_speech  # only texts with heteronyms need it
    by_class = dict(zip(PARTS_OF_SPEECH, part_of_speech(words, pauses, index)))
    rule = _rule_for(words, pauses, index)
    best = max((by_class[name] for option in options for name in option.classes & by_class.keys()), default=0.0)
    scores = []
    for option in options:
        score = max((by_class[name] for name in option.classes & by_class.keys()), default=best - _MEANING)
        score += _cues_near(option, words, pauses, index) + (_NAME if is_name and "name" in option.classes else 0.0)
        scores.append(score + (rule.weight if rule and rule.phonemes == option.phonemes else 0.0))
    chosen = options[scores.index(max(scores))]
    is_rule = rule is not None and (rule.phonemes == chosen.phonemes) == (rule.weight > 0)
    return Choice(chosen.phonemes, rule.name if rule and is_rule else " or ".join(sorted(chosen.classes)))


def _cues_near(option: Reading, words: list[str], pauses: list[str], index: int) -> float:
    """The weight of the words near by that show this reading; those right beside count a little more."""
    near = _words_near(words, pauses, index, _REACH_OF_ADJECTIVES if option.classes & _ADJECTIVES else _REACH)
    beside = words[max(0, index - 1):index] + words[index + 1:index + 2]
    return _CUE * sum(word in option.cues for word in near) + sum(word in option.cues for word in beside)


def _words_near(words: list[str], pauses: list[str], index: int, reach: int) -> list[str]:
    """The words up to `reach` places before and after words[index], as far as no pause stronger than a comma comes."""
    first, last = index, index
    while first > max(0, index - reach) and pauses[first - 1] in ("", ","):
        first -= 1
    while last < min(len(words) - 1, index + reach) and pauses[last] in ("", ","):
        last += 1
    return words[first:index] + words[index + 1:last + 1]


def _rule_for(words: list[str], pauses: list[str], index: int) -> HeteronymRule | None:
    """Returns the first rule of the word that fits."""
    if words[index] == "read":
        from text.tenses import tense_of_read
        return HeteronymRule("tense", "R EH1 D", tense_of_read(words, pauses, index), [])
    if words[index] == "used":
        from text.tenses import used_to
        return HeteronymRule("used to", "Y UW1 S T", used_to(words, index), [])
    return next((rule for rule in rules().get(words[index], ())
                 if all(_holds(condition, words, pauses, index) for condition in rule.conditions)), None)


def _holds(condition: Condition, words: list[str], pauses: list[str], index: int) -> bool:
    """Returns whether a condition holds for words[index]."""
    from text.word_classes import classes_of
    found = any(word in condition.members or condition.classes.intersection(classes_of(word))
                for word in _words_at(condition.place, words, pauses, index))
    return found == condition.wanted


def _words_at(place: str, words: list[str], pauses: list[str], index: int) -> list[str]:
    """The words at a place of a condition, and "(start)" or "(end)" where no word stands or a pause comes."""
    if place == "previous":
        is_start = not index or pauses[index - 1]
        return [*(words[index - 1:index] if index else [""]), *(["(start)"] if is_start else [])]
    if place == "next":
        is_end = index + 1 == len(words) or pauses[index]
        return [*(words[index + 1:index + 2] or [""]), *(["(end)"] if is_end else [])]
    if place == "before that":
        return words[max(0, index - 2):max(0, index - 1)]
    side, _, count = place.partition(" ")
    return words[max(0, index - int(count)):index] if side == "before" else words[index + 1:index + 1 + int(count)]
