"""Rules for roman numerals: of kings, chapters, wars, centuries, years."""
import re

from text.numbers import cardinal, ordinal, year
from text.rule import CAPITAL, SMALL, after, before, begins_line, compiled, rule, word_after, word_before
from text.tables import MONARCHS, NUMBERED, NUMBERED_IN_SMALL, ORDINAL_EVENTS, STARTERS

_END = r"(?![A-Za-z0-9])"
_VALUES = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100, "d": 500, "m": 1000}
_VALID = re.compile(r"(?=.)m{0,3}(?:cm|cd|d?c{0,3})(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,3})$")
_AFTER_MONARCH_I = (
    r"'s|[,;:.!?)]|\s*$|\s(?:of|was|is|and|had|who|became|in|died|ruled|reigned|took|came|made|did|has|gave|won|built|"
    r"never|wrote|married|left|sent|ascended|defeated|signed|[a-z]+ed)\b")
_I_THE_SPEAKER = (
    r"'(?!s)|\s+(?:am|was|have|had|do|did|don't|didn't|will|won't|would|can|can't|could|think|thought|know|knew|saw"
    r"|said|"
                            r"want|went|wrote|read|like|love|need|must|should|never|always|also|just|still|really)\b")
_FIRST_OF_LIST = r"\b([A-Za-z]+)\.? (?:[IVXLC]+|[ivxlc]+)(?:, | and | or | of | to | through |-|–)(?:and )?$"  # Wars I,


def roman_value(letters: str) -> int:
    """'xiv' -> 14; 0 for what is no roman numeral."""
    if not _VALID.match(letters):
        return 0
    values = [_VALUES[letter] for letter in letters]
    return sum(-value if value < later else value for value, later in zip(values, [*values[1:], 0]))


@rule(CAPITAL, rf"(?=[MDCLXVI]*M)[MDCLXVI]{{3,15}}{_END}")
def roman_year(match: re.Match[str]) -> str | None:
    """MCMXXVI -> nineteen twenty-six; not MIX, nor MD."""
    value = roman_value(match[0].lower())
    return year(str(value)) if 1400 <= value <= 2100 and (len(match[0]) > 3 or value >= 2000) else None


@rule(CAPITAL, r"([XVI]+)(?:th|st|nd|rd)(?![A-Za-z0-9])")
def roman_with_ending(match: re.Match[str]) -> str | None:
    """XVIIIth -> eighteenth."""
    value = roman_value(match[1].lower())
    return ordinal(str(value)) if value else None


@rule(CAPITAL, rf"[IVXLC]+{_END}(?=\s+([A-Za-z]+))")
def roman_ordinal(match: re.Match[str]) -> str | None:
    """'the XXIII Olympiad' -> twenty-third, 'XX century' -> twentieth."""
    value = roman_value(match[0].lower())
    is_event = match[1].lower() in ORDINAL_EVENTS and (len(match[0]) > 1 or match[0] not in "CLI")
    return ordinal(str(value)) if value and is_event and word_before(match).lower() != "an" else None


@rule(CAPITAL, rf"[IVXLC]+{_END}")
def roman_of_monarch(match: re.Match[str]) -> str | None:
    """'Henry VIII' -> the eighth."""
    previous = word_before(match)
    value = roman_value(match[0].lower())
    if not value or match[0] in ("L", "C", "X") and previous.lower() != "pius" or previous.lower() not in MONARCHS:
        return None
    if not previous[0].isupper() or before(match, 2)[-1:] != " ":
        return None
    if match[0] == "I" and not compiled(_AFTER_MONARCH_I).match(match.string, match.end()):
        return None
    return "the " + ordinal(str(value))


@rule(CAPITAL + SMALL, rf"(?:[IVXLC]+|[ivxlc]+){_END}")
def roman_after_noun(match: re.Match[str]) -> str | None:
    """'chapter IV' -> four, 'page xiv' -> fourteen, 'World War I', 'World Wars I and II', 'Rocky III'."""
    previous = word_before(match)
    value = roman_value(match[0].lower())
    low = previous.lower()
    if not value or not (match[0].isupper() or match[0].islower()):
        return None
    listed = compiled(_FIRST_OF_LIST).search(before(match, 30))
    if listed and listed[1].lower() in NUMBERED:
        return cardinal(str(value))
    if match[0].islower() and len(match[0]) == 1 and low not in NUMBERED_IN_SMALL:
        return None
    if match[0] in ("C", "L", "D", "M") and low not in NUMBERED_IN_SMALL:  # "vitamin C"
        return None
    if low in NUMBERED and (low.startswith("war") and previous[0].isupper() or not _speaks(match)):
        return cardinal(str(value))
    is_name = previous[:1].isupper() and previous not in STARTERS and before(match, 2)[-1:] == " "
    return cardinal(str(value)) if is_name and len(match[0]) > 1 and set(match[0]) <= set("IVX") else None


@rule(CAPITAL, rf"[IVX]+{_END}")
def roman_in_list(match: re.Match[str]) -> str | None:
    """'I, II and III' -> one, two and three."""
    value = roman_value(match[0].lower())
    joint = r"(?:,| and| or| to| through|, and|, or) "
    listed = compiled(rf"\b[IVX]+{joint}$").search(before(match, 14)) or compiled(rf"{joint}[IVX]{{2,}}\b").match(
        match.string, match.end())
    return cardinal(str(value)) if value and listed and match[0] not in ("C", "L") else None


def _speaks(match: re.Match[str]) -> bool:
    """True if the numeral is the pronoun I."""
    if word_before(match) in ("No", "no"):
        return match[0] == "I" and re.match(r"'|\s+[a-z]", after(match, 3)) is not None
    return match[0] == "I" and (re.match(r"'|\s+[a-z]", after(match, 3)) is not None
                                and compiled(_I_THE_SPEAKER).match(match.string, match.end()) is not None
                                or word_before(match).islower() and word_after(match).islower()
                                and word_after(match) not in ("", "of", "and", "in", "is", "was", "to", "for", "on"))


@rule(CAPITAL, r"[IVXLC]{2,}\.?(?=\s*(?:\n|$))")
def roman_alone(match: re.Match[str]) -> str | None:
    """A line of one numeral, the number of a chapter."""
    value = roman_value(match[0].rstrip(".").lower())
    return cardinal(str(value)) if value and begins_line(match) else None
