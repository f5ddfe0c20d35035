"""Whether a full stop ends a sentence, or belongs to an abbreviation before it. The reader and the splitter both ask.

"He left the U.S. She stayed" has a sentence end after "U.S."; "the U.S. Army", "vs. Chelsea", "No. 7" and
"3 p.m. Monday" have none.
"""
import re

from text.rule import compiled, compiled_raw
from text.tables import (
    ABBREVIATIONS,
    BEFORE_NUMBERS,
    BIBLE_BOOKS,
    CALENDAR,
    DOTTED,
    FINITE_VERBS,
    JOURNALS,
    LETTERED,
    LINE_GOES_ON,
    MONTHS,
    NEVER_LAST,
    PLAIN_WORDS,
    STARTERS,
    STOPPED_UNITS,
    STREETS,
    TITLES,
    UNITS,
)

_LAST_WORD = re.compile(r"[^\s(\"“‘\[—–]*$")
_CLOSERS = r"[\"'”’)\]]*(?:\[\d{1,3}\]|[¹²³⁰⁴⁵⁶⁷⁸⁹†‡*])*"  # quotes and brackets, then marks of footnotes
_NOTHING_FOLLOWS = re.compile(rf"{_CLOSERS}\s*$|{_CLOSERS}[^\S\n]*\n\s*\n")
_SPACE_FOLLOWS = re.compile(rf"{_CLOSERS}\s+[\"“‘'(\[{{¿¡]*")
_NUMERAL = r"\s?#?(?:\d|[ivxlcIVXLC]+\b|[A-Z]{1,4}-?\d)"
_PRONOUN_I = r"\s?I(?:'|’|\s+(?!(?:of|and|or|to|in|is|was|for|through)\b)[a-z])"
# Patterns that few texts need are compiled at their first use
_ARTICLE = r"\sA [a-z]"
_COUNTED = (
    r"\s\d[\d,]*\s(?:(?!(?:is|was|has|does|shows|says|gives|lists|states|covers|applies|requires|deals|this)\b)[a-z]+s|"
    r"people|men|women|children|more|of (?:us|them|you))\b")
_OWNED = r"(?i)\b(?:a|one|per|every|my|your|his|her)\s$"
_AFTER_A_FIGURE = {  # what must stand after the figure, for words that are seldom abbreviations
    "long": r"\s?[\d.]+\s?(?:°|deg|[EW]\b|east|west)", "temp": r"\s?-?[\d.]+\s?(?:°|deg|[FC]\b)",
    "pop": r"\s?\d{1,3}(?:,\d{3})+", "mob": r"\s?\+?\d[\d -]{6}"}
_JOURNAL_WORD = r"\s?\b([A-Z][a-z]{0,10})\."
_AIRPORT = r"\s(?:[A-Z]{3}\b|(?:[A-Z][a-z]+ ){1,2}\d{1,2}:\d\d)"  # "Dep. SFO 11:15"
_STREET_NAME = r"(?:[A-Z]\w*(?! [a-z])|\d+(?:st|nd|rd|th)\b)"  # "250 W. Oak St.", not "1500 W. Cord length"
_SINGLE_LETTER = r"\s[A-Z](?![A-Za-z'’])"
_INITIALS = re.compile(r"(?:[A-Za-z]\.)*[A-Za-z]$")
_WORD = re.compile(r"[A-Za-z][A-Za-z'’]*")
_AFTER_NAME = r"(?:[A-Z][a-z]+(?:['’]s)?|\d(?:st|nd|rd|th)),?\s$"
_SEVERAL_WORDS = [key for key in DOTTED if " " in key]
_DOTTED_WORDS = r"(?i)\b(?:" + "|".join(re.escape(key.rstrip(".")) for key in _SEVERAL_WORDS) + ")"
_WORDS_OF_SEVERAL = frozenset(part.rstrip(".") for key in _SEVERAL_WORDS for part in key.split(" "))
_LONGEST_DOTTED = max(map(len, _SEVERAL_WORDS))
DIRECTION_LETTERS = ("N", "S", "E", "W")  # "250 W. Oak St."
LETTER_AFTER = frozenset(
    "vitamin plan grade section type class point option group hepatitis letter team exhibit appendix part level "
    "category side line channel flight gate unit model minor major the an".split())
_NOT_SENTENCE_WORDS = frozenset(
    "Eastern Central Mountain Pacific Greenwich Christmas Easter Thanksgiving Halloween".split())
_BULLET = r"\n[^\S\n]*(?:[-*+•◦▪●■○–—‣]\s|\d{1,2}[.)]\s)"
_LINE_START = r"\n[^\S\n]*(?:[-*+•◦▪●■○–—‣]\s|[\"“‘'(\[¿¡]*[A-Z0-9])"
# "June 10-Aug. 2", "6-in. OLED", "Mon.-Fri. 9-5", "$15-$20/hr. DOE"
_AFTER_HYPHEN = re.compile(r"^(?:[$£€\d.,–/-]+|[A-Z][a-z]{2,3}\.)[-/](?=[A-Za-z])")
_COMPASS = r"(?:[NS][EW]?|[EW])(?![A-Za-z.])"
_LONG_LINE = 60  # characters; a line as long as this is one of a wrapped paragraph
_CALENDAR_NAMES = frozenset([*CALENDAR.values(), *(month.lower() for month in MONTHS)])


def has_number(abbreviation: str, text: str, stop: int) -> bool:
    """True if an abbreviation of [before number], whose full stop ends at `stop`, stands before a figure or a numeral.

    "No. 7", "Vol. I of" and "App. E", but not "No. I am" and "No. I'm", where a sentence begins.
    """
    if abbreviation not in BEFORE_NUMBERS or compiled_raw(_PRONOUN_I).match(text, stop):
        return False
    if abbreviation == "ave" and compiled_raw(_AFTER_NAME).search(text, max(0, stop - 30), stop - 4):  # "5th Ave. A"
        return False
    if abbreviation in LETTERED and abbreviation != "no" and compiled_raw(_SINGLE_LETTER).match(text, stop):
        has_capital = text[max(0, stop - 2 - len(abbreviation)):stop - 1].strip()[:1].isupper()
        return has_capital or not compiled(_ARTICLE).match(text, stop)
    if abbreviation in ("dep", "arr", "lv") and compiled(_AIRPORT).match(text, stop):
        return True
    return bool(compiled_raw(_NUMERAL).match(text, stop)) and not _is_plain_word(abbreviation, text, stop)


def _is_plain_word(abbreviation: str, text: str, stop: int) -> bool:
    """True for 'art' in "I love art. 3 of us paint", 'long' in "It was long. 20 people left", a dog called Max."""
    start = stop - 1 - len(abbreviation)
    if text[start].isupper():
        return text[start:stop] in ("Max.", "Min.") and text[max(0, start - 2):start - 1].islower()
    if abbreviation not in PLAIN_WORDS:
        return False
    if abbreviation in _AFTER_A_FIGURE:
        return not compiled(_AFTER_A_FIGURE[abbreviation]).match(text, stop)
    owned = abbreviation not in ("no", "ref") and compiled(_OWNED).search(text, max(0, start - 8), start)
    return bool(owned or compiled(_COUNTED).match(text, stop))


def ends_sentence(text: str, stop: int) -> bool:
    """True if the full stop text[stop - 1] ends a sentence, whether or not it also belongs to an abbreviation."""
    if _NOTHING_FOLLOWS.match(text, stop):
        return True
    space = _SPACE_FOLLOWS.match(text, stop)
    if not space or text[space.end():space.end() + 1].islower():
        return False
    start = max(0, stop - 31)
    word = _AFTER_HYPHEN.sub("", _LAST_WORD.search(text, start, stop - 1)[0])
    low = word.lower()
    if low in _WORDS_OF_SEVERAL and (found := _several_words(text, stop)):
        return stop > found.end() and _begins_sentence(text, space.end())
    if word.istitle() and (low in JOURNALS or low == "n") and (place := _place_in_journal(text, stop, word)):
        return place == "last" and _begins_sentence(text, space.end())
    if has_number(low, text, stop) or word in BIBLE_BOOKS and text[space.end():space.end() + 1].isdecimal():
        return False
    before = text[max(0, stop - 1 - len(word) - 24):stop - 1 - len(word)]
    if low in NEVER_LAST and not (low in UNITS and re.search(r"\d\s?$", before)):  # "3 ft. It is"
        return False
    if word[:1].isupper() and low in TITLES:
        is_street = low in STREETS and bool(compiled_raw(_AFTER_NAME).search(before))
        return is_street and _begins_sentence(text, space.end())
    return _may_end(text, word, before, space.end())


def _place_in_journal(text: str, stop: int, word: str) -> str:
    """Returns "last" for Med. in "Nat. Med.", "first" for a word before another one, "" for what names no journal."""
    following = compiled(_JOURNAL_WORD).match(text, stop)
    if following and following[1].lower() in JOURNALS:
        return "first"
    previous = compiled(rf"{_JOURNAL_WORD} $").search(text, max(0, stop - len(word) - 17), stop - 1 - len(word))
    return "last" if previous and previous[1].lower() in JOURNALS else ""


def _several_words(text: str, stop: int) -> re.Match[str] | None:
    """Returns the abbreviation of several words ("Fed. R. Civ. P") that the full stop text[stop - 1] belongs to."""
    for found in compiled(_DOTTED_WORDS).finditer(text, max(0, stop - _LONGEST_DOTTED), stop + _LONGEST_DOTTED):
        if found.start() < stop <= found.end() + 1:
            return found
    return None


def _may_end(text: str, word: str, before: str, following: int) -> bool:
    """True if a sentence begins at `following`, after an abbreviation that may or may not be the last word of one."""
    low = word.lower()
    is_street = word in DIRECTION_LETTERS and compiled(_STREET_NAME).match(text, following)
    if (low in UNITS or word in UNITS or low in STOPPED_UNITS) and not is_street and (
            re.search(r"\d[\s-]?(?:(?:fl|sq|cu)\.? )?$", before)):
        is_adjective = before[-1] == "-"  # "6-in. OLED"
        return not is_adjective and text[following:following + 1].isupper() and not (
            compiled(_COMPASS).match(text, following))
    if _INITIALS.match(word):
        if word == "I" or len(word) == 1 and before.rstrip(" ").rpartition(" ")[2].lower() in LETTER_AFTER:
            return True
        if low == "v":
            return False
        return _begins_sentence(text, following, verbs=low in ("a.m", "p.m"))
    known = low in ABBREVIATIONS or low + "." in DOTTED or word[:1].isupper() and (low in STREETS or low in CALENDAR)
    if low == "al" or known and low != "etc":
        return _begins_sentence(text, following) and (word[:1].isupper() or low not in CALENDAR)
    return True


def _begins_sentence(text: str, position: int, verbs: bool = False) -> bool:
    """True for a word that often begins a sentence.

    verbs: also for any capitalised word that a finite verb follows, as in "John was".
    """
    found = _WORD.match(text, position)
    if not found or not found[0][0].isupper():
        return False
    word = found[0].replace("’", "'")
    if len(word) == 1 and text[found.end():found.end() + 1] == ".":
        return False
    if word.lower() in _CALENDAR_NAMES and re.match(r"\s\d", text[found.end():found.end() + 2]):
        return False
    if word in STARTERS:
        return True
    if word.isupper() or word in _NOT_SENTENCE_WORDS or word.lower() in _CALENDAR_NAMES or word.lower() in CALENDAR:
        return False
    if text[found.end():found.end() + 2] == ": ":  # "7:30 p.m. Tickets: $25"
        return True
    following = _WORD.match(text, found.end() + 1)
    return verbs and bool(following) and (following[0] in FINITE_VERBS or following[0].endswith("ed"))


def is_line_end(text: str, position: int) -> bool:
    """True if the line break text[position] ends a sentence: before a capital or a bullet, not in a wrapped line.

    A line is taken as wrapped if it is long, ends with a comma or a word like "the", or goes on with a small letter.
    """
    if not compiled_raw(_LINE_START).match(text, position):
        return False
    line = text[max(0, position - _LONG_LINE - 1):position].rpartition("\n")[2].rstrip()
    if not line or line[-1] in ".!?:,;—–-":
        return bool(line) and bool(compiled_raw(_BULLET).match(text, position))
    if compiled_raw(_BULLET).match(text, position):
        return True
    last = _LAST_WORD.search(line)[0]
    return len(line) < _LONG_LINE and last.lower() not in LINE_GOES_ON
