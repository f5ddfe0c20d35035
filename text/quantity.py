"""Whether an amount is an adjective of the noun after it: 'a $5 coffee', 'three $20 bills', 'the 400m hurdles'."""
import re

from text.rule import before, compiled
from text.tables import DETERMINERS, NOT_A_NOUN, NOUNS_IN_LY, NUMBER_WORDS

_NOUN_AFTER = re.compile(r"(?:, \d+(?:\.\d+)? ?(?:m?A|W|Hz|VA)(?= [a-z]))?[ -]"  # "a 5 V, 3 A charger"
                         r"(?:(?:dai|week|month|year|hour|night)ly )?([a-z]+|[A-Z]{2,}s?)(?![A-Za-z'])")
_BEFORE = re.compile(r"([A-Za-z]+(?:'s|s')?|\d+)\s(?:(?:[a-z0-9]+(?:-[a-z0-9]+)+|new|huge|massive|modest|single),\s)?"
                     r"(?:\d+\s?[x×]\s?)?$")


def is_adjective(match: re.Match[str]) -> bool:
    """True if a determiner or a number stands before the amount and a noun after it."""
    following = _NOUN_AFTER.match(match.string, match.end())
    is_tin = following and following[1] == "can" and match[0].rstrip(".").endswith("oz")  # "a 15-oz. can of beans"
    if not following or following[1] in NOT_A_NOUN and not is_tin or following[1].endswith("ed") or (
            following[1].endswith("ly") and following[1] not in NOUNS_IN_LY):
        return False
    if compiled(r"\d[x×]$").search(before(match, 3)):  # "the 4x100m relay"
        return True
    found = _BEFORE.search(before(match, 32))
    if not found:
        return False
    word = found[1].lower()
    return word in DETERMINERS or word in NUMBER_WORDS or word.endswith(("'s", "s'")) or word.isdecimal()
