"""What a rule of the reader is: a name, a pattern, and a function from a match to what is said."""
import functools
import re
from collections.abc import Callable
from typing import NamedTuple

Say = Callable[[re.Match[str]], str | None]

DIGIT, CAPITAL, SMALL = "0", "A", "a"  # classes of first characters; any other character stands for itself
LETTER = CAPITAL + SMALL


class Rule(NamedTuple):
    """One rule. It is tried where the text has one of its first characters, and applies if `say` returns words."""
    name: str
    starts: str  # first characters: DIGIT, CAPITAL and SMALL stand for their classes
    pattern: str  # a regular expression, matched at the current position
    say: Say  # what is said, "" for silence; None if the rule does not apply after all
    is_figure: bool  # a figure may be followed by a range: "-12", "x 15"
    needs: str  # signs of which the text must hold one, else the rule need not be tried; "" for any text


def rule(starts: str, pattern: str, is_figure: bool = False, needs: str = "") -> Callable[[Say], Rule]:
    """Makes a Rule of the decorated function; the rule is named like the function."""
    def decorate(say: Say) -> Rule:
        return Rule(say.__name__.replace("_", " "), starts, pattern, say, is_figure, needs)
    return decorate


def figure(starts: str, pattern: str, needs: str = "") -> Callable[[Say], Rule]:
    """As `rule`, for figures after which a range may follow."""
    return rule(starts, pattern, True, needs)


@functools.cache
def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern, compiled at its first use: a text without figures needs few of them. Superscripts are no digits."""
    return re.compile(pattern, re.ASCII)


@functools.cache
def compiled_raw(pattern: str) -> re.Pattern[str]:
    """As `compiled`, for a text that is not normalized: any white space and any letters."""
    return re.compile(pattern)


def before(match: re.Match[str], length: int = 40) -> str:
    """Returns up to `length` characters of the text that stand before the match."""
    return match.string[max(0, match.start() - length):match.start()]


def after(match: re.Match[str], length: int = 40) -> str:
    """Returns up to `length` characters of the text that stand after the match."""
    return match.string[match.end():match.end() + length]


def begins_line(match: re.Match[str]) -> bool:
    """True if nothing but white space stands before the match in its line."""
    left = before(match)
    return not left.rpartition("\n")[2].strip() and ("\n" in left or match.start() == len(left))


_LAST_WORD = re.compile(r"([A-Za-z']+)\.?[\s,]*$")
_NEXT_WORD = re.compile(r"[ -]([A-Za-z']+)")


def word_before(match: re.Match[str]) -> str:
    """Returns the word before the match, as written; "" if there is none."""
    found = _LAST_WORD.search(before(match, 30))
    return found[1] if found else ""


def word_after(match: re.Match[str]) -> str:
    """Returns the word after the match and one space or hyphen, as written; "" if there is none."""
    found = _NEXT_WORD.match(match.string, match.end())
    return found[1] if found else ""


def led_by(match: re.Match[str], words: str) -> bool:
    """True if one of the words (a regular expression, any case) and a space stand right before the match."""
    return compiled(rf"(?i)\b(?:{words})\s$").search(before(match, 24)) is not None


def near(match: re.Match[str], words: str, length: int = 60) -> bool:
    """True if one of the words (a regular expression, any case) stands near the match, before or after it."""
    around = before(match, length) + " | " + after(match, length)
    return compiled(rf"(?i)\b(?:{words})").search(around) is not None
