"""Whether an amount is an adjective of the noun after it: 'a $5 coffee', 'three $20 bills', 'the 400m hurdles'."""
import re

from text.rule import before, compiled
from text.tables import CURRENCIES, DETERMINERS, FINITE_VERBS, NOT_A_NOUN, NOUNS_IN_LY, NUMBER_WORDS

_NOUN_AFTER = (r"(?:, \d+(?:\.\d+)? ?(?:m?A|W|Hz|VA)(?= [a-z]))?[ -]"  # "a 5 V, 3 A charger"
                         r"(?:(?:dai|week|month|year|hour|night)ly )?([a-z]+|[A-Z]{2,}s?)(?![A-Za-z'])")
_OBJECT = r" (?:an?|the|you|your|us|me|my|one|two|him|her|them|up|\d+)\b"
_PAID_FOR = frozenset("shipping tax interest postage credit".split())  # "twelve dollars shipping"
_DESCRIBED = (r"(?i)\b(?:an?|the|its|their|my|our|your) [a-z]{2,12}"  # "the supplied 12 V adapter"
                        r"(?:ed|al|ive|ous|able|ible|ic|ful|ary|ent|ant) $")
_SENTENCE_BEGINS = r"(?:^|[.!?:]\s+|\n\s*)$"
_BEFORE = (r"([A-Za-z]+(?:'s|s')?|\d+)\s(?:(?:[a-z0-9]+(?:-[a-z0-9]+)+|new|huge|massive|modest|single),\s)?"
                     r"(?:\d+\s?[x×]\s?)?$")


def is_adjective(match: re.Match[str]) -> bool:
    """True if a determiner or a number stands before the amount and a noun after it."""
    following = compiled(_NOUN_AFTER).match(match.string, match.end())
    is_tin = following and following[1] == "can" and match[0].rstrip(".").endswith("oz")  # "a 15-oz. can of beans"
    if not following or following[1] in NOT_A_NOUN and not is_tin or following[1].endswith("ed") or (
            following[1].endswith("ly") and following[1] not in NOUNS_IN_LY):
        return False
    if compiled(r"\d[x×]$").search(before(match, 3)):  # "the 4x100m relay"
        return True
    if _begins_note(match, following[1]) or compiled(_DESCRIBED).search(before(match, 24)):
        return True
    found = compiled(_BEFORE).search(before(match, 32))
    if not found:
        return False
    word = found[1].lower()
    return word in DETERMINERS or word in NUMBER_WORDS or word.endswith(("'s", "s'")) or word.isdecimal()


def _begins_note(match: re.Match[str], noun: str) -> bool:
    """True for money that begins a sentence, before what is no verb: 'Lost cat! $100 reward.', not '$5 buys a meal'."""
    is_money = match.string[match.start()] in CURRENCIES
    following = match.end() + 1 + len(noun)
    is_verb = noun in FINITE_VERBS or noun.endswith("s") and compiled(_OBJECT).match(match.string, following)
    begins = compiled(_SENTENCE_BEGINS).search(before(match, 4)) is not None
    return is_money and begins and not is_verb and noun not in _PAID_FOR


def is_before_noun(match: re.Match[str], plural: bool) -> bool:
    """True if a word stands after the amount that may be a noun: '5,000 mAh battery'; plural: it must end in -s."""
    following = compiled(_NOUN_AFTER).match(match.string, match.end())
    return following is not None and following[1] not in NOT_A_NOUN and (
        not plural or following[1].endswith("s") and not following[1].endswith("ss"))
