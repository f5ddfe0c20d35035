"""The reader: a text as written -> the words a person says and the pauses between them."""
import re
from typing import NamedTuple

from text.lexicon import Lexicon
from text.normalize import normalize
from text.rule import Rule, compiled
from text.rules import RulesOfText
from text.stops import ends_sentence, is_line_end
from text.tables import (
    ABBREVIATIONS,
    ALSO_A_WORD,
    BARE_TITLES,
    BEFORE_NUMBERS,
    BIBLE_BOOKS,
    CALENDAR,
    CURRENCIES,
    DOSES,
    DOTTED,
    NEVER_LAST,
    SHAPES,
    WITHOUT_STOP,
)

# Words that no rule needs to look at; most words of a text are such
_PLAIN_WORD = re.compile(r"(?![ivxlc]+\b)(?=[a-z]*[aeiouy])[a-z]{2,}(?=[ ,;!?]|:(?!//)|\.?$|\. )|"
                         r"[A-Z][a-z]{2,}(?= [a-z]|[,;:!?] )")
_NOT_PLAIN = frozenset(word for table in (
    BARE_TITLES, WITHOUT_STOP, SHAPES, CALENDAR, ABBREVIATIONS, ALSO_A_WORD, BEFORE_NUMBERS, NEVER_LAST, BIBLE_BOOKS,
    DOSES, dict.fromkeys("ma mi re per mailto noon midnight degree degrees ill id dep arr".split())) for key in table
    for word in (key, key.title()))
# The first words of what has several, such as "per sq. ft."; the "and" of "and/or" stands where no plain word ends
_NOT_PLAIN |= {word for key in [*DOTTED, *SHAPES, *BIBLE_BOOKS] if (first := re.match("[^A-Za-z]*([A-Za-z]+)[ .]", key))
               for word in (first[1], first[1].title())}
_SEPARATORS = frozenset(",;:.!?\"'()[]-–—|_/")
_CAPITAL = re.compile(r"(?!I\b)[A-Z]")
_MARKS = re.compile(r"[?!]")
_PAUSES = frozenset(",;:.?!")
_RANGE = rf"\s?[-–]\s?(?=[{''.join(map(re.escape, CURRENCIES))}]?\.?\d|'\d\d)"
_TIMES = r"(\s?)([x×])\s?(?=\d)"
_FACTOR = r"10(?:\^|[⁰¹²³⁴⁵⁶⁷⁸⁹⁻])|\d+(?:\.\d+)?\s?="
_SUM_BEFORE = r"(?i)\b(?:what is|what's|calculate|compute|evaluate|solve|subtract) $|[-+×÷*] $"
_GENITIVE = re.compile(r"'s(?![A-Za-z'])")
_DIGITS = re.compile(r"\d+")
_SERIES = r"\d{1,20}(?:-\d{1,20}){2,6}(?![\w])"


class Piece(NamedTuple):
    """A stretch of the text that is said as a whole."""
    text: str  # as written
    spoken: str  # as said: lower case, a lone capital is the name of a letter; or `{ARPAbet}`
    pause: str  # one of `,;:.?!` or nothing
    phonemes: bool  # True if spoken is `{ARPAbet}`
    rule: str  # the name of the rule that read it


class SpokenText(NamedTuple):
    """What is said of a text."""
    pieces: list[Piece]
    dropped: str  # characters of which nothing can be said, each once


def speak(text: str, lexicon: Lexicon | None = None) -> SpokenText:
    """Reads a text of any length.

    lexicon: pronunciations by the user, which decide before all rules. Returns the pieces in order, and the characters
    that had to be left out.
    """
    normalized = normalize(text)
    plain, dropped = normalized.text, normalized.dropped
    pieces, separator, position, rules = [], "", 0, RulesOfText(plain)
    while position < len(plain):
        if plain[position] == " ":  # half of all places; neither a rule nor a word of a lexicon begins here
            separator += " "
            position += 1
            continue
        said, stop, rule = _read_at(plain, position, lexicon, rules)
        if said and said not in _PAUSES:
            if pieces and separator != " ":  # what most words follow, without a pause
                capital = _CAPITAL.match(plain, position) is not None
                pieces[-1] = pieces[-1]._replace(pause=pause_between(separator, capital=capital))
            source = normalized.source(text, position, stop)
            pieces.append(Piece(source, said, "", said[0] == "{", rule))
            separator = ""
        elif rule:
            separator += said or " "
        else:
            separator += _separator(plain, position, dropped)
        position = stop
    if pieces:
        pieces[-1] = pieces[-1]._replace(pause=pause_between(separator, last=True))
    return SpokenText(pieces, "".join(dropped))


def _separator(text: str, position: int, dropped: dict[str, bool]) -> str:
    """What a character that is no word adds to the separator of two words; others go to `dropped`."""
    character = text[position]
    if character == "\n" and is_line_end(text, position):
        return "\n\n"
    if character in _SEPARATORS or character.isspace():
        return character
    if character not in "{}":
        dropped[character] = True
    return ""


def _read_at(text: str, position: int, lexicon: Lexicon | None, rules: RulesOfText) -> tuple[str, int, str]:
    """Returns what is said for the text at a position ("" for silence), where it ends, and the rule's name.

    The lexicon decides first, then the plain words and the rules. The name is "" if no rule applies.
    """
    if lexicon:
        entry = lexicon.match(text, position)
        if entry:
            return *entry, "lexicon"
    plain = _PLAIN_WORD.match(text, position)
    if plain and (word := plain[0]) not in _NOT_PLAIN:
        return word.lower(), plain.end(), "word"
    for rule in rules.at(text[position]):
        match = compiled(rule.pattern).match(text, position)
        if match and (said := rule.say(match)) is not None:
            return _finish(text, match, said, rule)
    return "", position + 1, ""


def _finish(text: str, match: re.Match[str], said: str, rule: Rule) -> tuple[str, int, str]:
    """Leaves a full stop that ends the sentence for the pause, and adds the word that joins a figure to the next."""
    stop = match.end()
    if said and text[stop - 1] == "." and ends_sentence(text, stop):
        stop -= 1
    genitive = said and _GENITIVE.match(text, stop)
    if genitive and said[-1].isalpha():
        return said + "'s", genitive.end(), rule.name
    if rule.is_figure and not compiled(_SERIES).match(text, match.start()):
        joint, stop = _join(text, match.start(), stop)
        said += joint
    return said, stop, rule.name


def _join(text: str, start: int, stop: int) -> tuple[str, int]:
    """The word between a figure and the next one ("10-15", "12 x 15"), and where that starts; "" if none follows."""
    times = compiled(_TIMES).match(text, stop)
    if times:
        product = times[2] == "×" and times[1] or compiled(_FACTOR).match(text, times.end())
        return (" times" if product else " by"), times.end()
    joint = compiled(_RANGE).match(text, stop)
    if not joint or text[joint.end() - 1:joint.end()] == "-" and text[stop] == " ":
        return "", stop
    low, high = _DIGITS.match(text, start), _DIGITS.match(text, joint.end())
    is_clock = high and text[high.end():high.end() + 1] == ":"  # "3 – 3:15"
    if low and high and low[0] == high[0] and low.end() == stop and not is_clock:  # fifty-fifty
        return "", joint.end()
    if joint[0] == " - " and text[stop - 1].isalpha() and not _same_unit(text, start, stop, joint.end()):
        return "", stop  # "He weighs 80 kg - 5 more than last year"
    subtracts = joint[0].strip() == "-" and (compiled(r"[\d.]+\s?=").match(text, joint.end()) or joint[0] == " - " and (
        compiled(_SUM_BEFORE).search(text, max(0, start - 12), start)))
    return (" minus" if subtracts else " to"), joint.end()


def _same_unit(text: str, start: int, stop: int, following: int) -> bool:
    """True if the letters after the figure text[start:stop] also stand after the next one, or both are hours."""
    unit = compiled(r"[A-Za-z]+$").search(text, start, stop)
    found = compiled(r"[$£€]?[\d.,:]+\s?([A-Za-z]+)").match(text, following)
    return bool(unit and found) and (unit[0] == found[1] or found[1].lower() in ("a", "p", "am", "pm"))


def pause_between(separator: str, last: bool = False, capital: bool = False) -> str:
    """Returns the one pause for what stands between two words: `"--` -> `,`, `.")` -> `.`, a space or a hyphen -> "".

    last: no word follows, so that quotes and brackets need no pause; capital: the next word begins with a capital.
    """
    if separator == " " or not separator:
        return ""
    mark = _MARKS.search(separator)
    if mark:
        return mark[0]
    if separator.count(".") > 1 and ".." in separator.replace(" ", ""):
        return "." if last or capital else ","
    for sign in ".;:,":
        if sign in separator:
            return sign
    if re.search(r"\n\s*\n", separator):
        return "."
    if "—" in separator or "–" in separator or "--" in separator or (
            "-" in separator and separator.strip() != separator):
        return ","
    return "" if last or not set(separator) & set("\"'()[]|") else ","
