"""Cleaners: functions from text as it is written to text as it is spoken, in characters of the symbol table.

`english_cleaners`, `transliteration_cleaners` and `basic_cleaners` are those of NVIDIA's Tacotron2 (after Keith Ito's),
with their oddities ("Mrs." is "misess", "£20" is "pstwenty", every "St." a saint): the published teacher was fed so.
They spell numbers with the package `inflect`, which is imported at the first figure, since importing it takes a second.
`english_reader` is the default for our own weights and says what a person would read; it has its own number words.
"""
import functools
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from hparams import UserError
from runtime.packages import require_package
from text.numbers import spell_digits

if TYPE_CHECKING:
    import inflect

_ABBREVIATIONS = {  # applied one after the other, in this order
    "mrs": "misess", "mr": "mister", "dr": "doctor", "st": "saint", "co": "company", "jr": "junior", "maj": "major",
    "gen": "general", "drs": "doctors", "rev": "reverend", "lt": "lieutenant", "hon": "honorable", "sgt": "sergeant",
    "capt": "captain", "esq": "esquire", "ltd": "limited", "col": "colonel", "ft": "fort"}
_ABBREVIATION_RULES = [(re.compile(rf"\b{short}\."), full) for short, full in _ABBREVIATIONS.items()]
_WHITESPACE = re.compile(r"\s+")
_GROUPED = re.compile(r"[0-9][0-9,]+[0-9]")
_DOLLARS = re.compile(r"\$([0-9.,]*[0-9]+)")
_DECIMAL = re.compile(r"(?<![0-9])([0-9]+)\.([0-9]+)")  # from the first digit on, else quadratic in a run
_ORDINAL = re.compile(r"(?<![0-9])([0-9]+)(?:st|nd|rd|th)")
_NUMBER = re.compile(r"[0-9]+")
_LONGEST_NUMBER = 36  # digits; inflect knows no words for longer numbers, which are spelled digit by digit


def to_ascii(text: str) -> str:
    """Transliterates to ASCII by Unidecode (in its version 1.0.22 the pound sign was 'PS', as it still is)."""
    if text.isascii():
        return text
    from unidecode import unidecode
    return unidecode(text)


def _dollars(match: re.Match[str]) -> str:
    """Returns an amount as words and figures: "$3.50" as "3 dollars, 50 cents"."""
    parts = match[1].replace(",", "").split(".")
    if len(parts) > 2:
        return match[1] + " dollars"
    dollars, cents = (part.lstrip("0") for part in (*parts, "")[:2])
    said = []
    if dollars:
        said.append(f"{dollars} dollar{'' if dollars == '1' else 's'}")
    if cents:
        said.append(f"{cents} cent{'' if cents == '1' else 's'}")
    return ", ".join(said) or "zero dollars"


@functools.cache
def _inflect_engine() -> "inflect.engine":
    """Returns inflect's engine, imported at its first use: that takes more than a second."""
    require_package("inflect", "numbers by a published cleaner")
    import inflect
    return inflect.engine()


def _ordinal(match: re.Match[str]) -> str:
    """Returns an ordinal such as "3rd" as a word."""
    if len(match[1]) > _LONGEST_NUMBER:
        return spell_digits(match[1]) + "th"
    return _inflect_engine().number_to_words(match[0])


@functools.lru_cache(maxsize=4096)
def _spell_number(digits: str) -> str:
    """Returns a whole number as words, a year in pairs of digits."""
    digits = digits.lstrip("0") or "0"
    if len(digits) > _LONGEST_NUMBER:
        return spell_digits(digits)
    number = int(digits)
    if not 1000 < number < 3000:
        return _inflect_engine().number_to_words(number, andword="")
    if 2000 <= number < 2010:
        return _inflect_engine().number_to_words(number, andword="", comma="")
    if number % 100 == 0:
        return _inflect_engine().number_to_words(number // 100) + " hundred"
    return _inflect_engine().number_to_words(number, andword="", zero="oh", group=2).replace(", ", " ")


def _expand_numbers(text: str) -> str:
    """Returns the text with amounts, decimals, ordinals and numbers as words."""
    text = _GROUPED.sub(lambda match: match[0].replace(",", ""), text)
    text = _DOLLARS.sub(_dollars, text)
    text = _DECIMAL.sub(r"\1 point \2", text)
    text = _ORDINAL.sub(_ordinal, text)
    return _NUMBER.sub(lambda match: _spell_number(match[0]), text)


def basic_cleaners(text: str) -> str:
    """Lower case, white space collapsed; NVIDIA's."""
    return _WHITESPACE.sub(" ", text.lower())


def transliteration_cleaners(text: str) -> str:
    """ASCII by Unidecode, lower case, white space collapsed; NVIDIA's."""
    return basic_cleaners(to_ascii(text))


def english_cleaners(text: str) -> str:
    """ASCII, lower case, numbers and eighteen abbreviations in words, white space collapsed; NVIDIA's."""
    text = _expand_numbers(to_ascii(text).lower())
    for abbreviation, full in _ABBREVIATION_RULES:
        text = abbreviation.sub(full, text)
    return _WHITESPACE.sub(" ", text)


def english_reader(text: str) -> str:
    """What a person would read aloud, in lower case, with `, . ; : ? !` as pauses; `{ARPAbet}` is left as it is."""
    from text.reader import speak
    return " ".join((piece.spoken if piece.phonemes else piece.spoken.lower()) + piece.pause
                    for piece in speak(text).pieces)


_CLEANERS: dict[str, Callable[[str], str]] = {
    cleaner.__name__: cleaner
    for cleaner in (basic_cleaners, transliteration_cleaners, english_cleaners, english_reader)}


def cleaner_of(name: str) -> Callable[[str], str]:
    """The cleaner of this name; UserError if there is none."""
    if name not in _CLEANERS:
        raise UserError(f"cleaners: found {name!r}, expected one of {', '.join(_CLEANERS)}")
    return _CLEANERS[name]
