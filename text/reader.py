"""The reader: a text as written -> the words a person says and the pauses between them."""
import re
import unicodedata
from typing import NamedTuple

from text.figures import read_figure
from text.lexicon import BARE_TITLES, CURRENCIES, ELISIONS, GREEK, SHAPES, SIGNS
from text.phonemes import is_arpabet
from text.spellings import read_word

_SIMPLE = re.compile(r"(?![ivxlc]+\b|[b-z]\b)[a-z]+(?=[ ,;!?]|:(?!//)|$)|[A-Z][a-z]{2,}(?= [a-z]|[,;:!?] )")
_NOT_SIMPLE = frozenset([*BARE_TITLES, *SHAPES, *(word.title() for word in BARE_TITLES)])
_ELISION = re.compile(r"'[A-Za-z]+'?")
_YEAR_SHORT = re.compile(r"'(\d\d)(s?)(?!\d)")
_BRACES = re.compile(r"\{([^{}]{1,400})\}")
_QUOTES = str.maketrans({**dict.fromkeys("“”„‟«»″〝〞", '"'), **dict.fromkeys("‘’‚‛‹›′ʼ`´", "'"),
                         **dict.fromkeys("‐‑", "-"), **dict.fromkeys("–‒", "–"), **dict.fromkeys("—―⸺", "—"),
                         "…": "...", "μ": "µ", "º": "°", "•": "—", "·": "—", "‣": "—", "●": "—", "▪": "—"})
_KEPT = frozenset([*SIGNS, *GREEK, "–", "—", "Ω"])
_GAP = frozenset(",;:.!?\"'()[]-–—|_/")
_CAPITAL = re.compile(r"(?!I\b)[A-Z]")
_MARKS = re.compile(r"[?!]")


class Piece(NamedTuple):
    """A stretch of the text that is said as a whole."""
    text: str  # as written
    spoken: str  # as said: lower case, a lone capital is the name of a letter; or `{ARPAbet}`
    pause: str  # one of `,;:.?!` or nothing
    phonemes: bool  # True if spoken is `{ARPAbet}`


class Spoken(NamedTuple):
    """What is said of a text."""
    pieces: list[Piece]
    dropped: str  # characters of which nothing can be said, each once


def speak(text: str) -> Spoken:
    """Reads a text of any length: its pieces in order, and what it had to leave out."""
    plain, origins, dropped = _transliterate(text)
    pieces, gap, position = [], "", 0
    while position < len(plain):
        said, stop = _read_one(plain, position)
        if said:
            if pieces:
                pieces[-1] = pieces[-1]._replace(pause=settle(gap, capital=_CAPITAL.match(plain, position) is not None))
            pieces.append(Piece(_source(text, plain, origins, position, stop), said, "", said[0] == "{"))
            gap = ""
        else:
            character = plain[position]
            if character in _GAP or character.isspace():
                gap += character
            elif character not in "{}":
                dropped[character] = True
        position = stop
    if pieces:
        pieces[-1] = pieces[-1]._replace(pause=settle(gap, last=True))
    return Spoken(pieces, "".join(dropped))


def _source(text: str, plain: str, origins: list[int] | None, start: int, stop: int) -> str:
    return plain[start:stop] if origins is None else text[origins[start]:origins[stop - 1] + 1]


def _transliterate(text: str) -> tuple[str, list[int] | None, dict[str, bool]]:
    """ASCII and the few signs that the rules know; where each character of it comes from; what came to nothing."""
    dropped: dict[str, bool] = {}
    if text.isascii() and text.isprintable():
        return text.replace("`", "'"), None, dropped
    plain, origins = [], []
    for index, character in enumerate(text):
        written = _written(character, text[max(0, index - 1):index + 2])
        if not written and unicodedata.category(character) not in ("Mn", "Cf"):
            dropped[character] = True
        plain.append(written)
        origins += [index] * len(written)
    return "".join(plain), origins, dropped


def _written(character: str, around: str) -> str:
    """around: the character with its neighbours; a Greek letter among others is part of a word, alone a symbol."""
    if character.isspace():
        return "\n" if character in "\n\u2028\u2029" else " "
    if character.isascii():
        return character.translate(_QUOTES) if character.isprintable() else ""
    character = character.translate(_QUOTES)
    if character in "™®":
        return ""
    in_word = character in GREEK and len(re.findall(r"[\u0370-\u03ff\u1f00-\u1fff]", around)) > 1
    if character in _KEPT and not in_word or character.isascii():
        return character
    from unidecode import unidecode
    return unidecode(character)


def _read_one(text: str, position: int) -> tuple[str, int]:
    """(what is said, its end) of the word, figure or sign at this place; ("", position + 1) where nothing is."""
    simple = _SIMPLE.match(text, position)
    if simple and simple[0] not in _NOT_SIMPLE:
        return simple[0].lower(), simple.end()
    character, following = text[position], text[position + 1:position + 2]
    if character.isspace():
        return "", position + 1
    if character == "{":
        return _read_braces(text, position)
    if character == "'":
        return _read_apostrophe(text, position)
    said = None
    if character.isalpha() and character.isascii():
        said = read_word(text, position)
    elif character.isdecimal() or character in CURRENCIES or character in "-−.(+":
        if character != "." or following.isdecimal():
            said = read_figure(text, position)
        if not said and text.startswith(".NET", position):
            said = SHAPES[".NET"], position + 4
    return said or _read_sign(text, position)


def _read_braces(text: str, position: int) -> tuple[str, int]:
    """`{R EH1 D}` as it stands; braces around anything but ARPAbet mean nothing."""
    match = _BRACES.match(text, position)
    if match and is_arpabet(match[1]):
        return "{" + " ".join(match[1].split()) + "}", match.end()
    return "", position + 1


def _read_apostrophe(text: str, position: int) -> tuple[str, int]:
    """'tis, 'em, '90s, '99; else a quotation mark."""
    short = _YEAR_SHORT.match(text, position)
    if short:
        said = read_figure(text, position + 1)
        return said if short[2] or not said else (said[0], short.end())
    elision = _ELISION.match(text, position)
    for written in (elision[0], elision[0].rstrip("'")) if elision else ():
        if written.lower() in ELISIONS:
            return SHAPES.get(written.lower(), written.lower()), position + len(written)
    return "", position + 1


def _read_sign(text: str, position: int) -> tuple[str, int]:
    character, before, following = text[position], text[position - 1:position], text[position + 1:position + 2]
    if character in GREEK:
        return GREEK[character], position + 1
    if character == "*" and before.strip() and re.match(r"\s?[\d(]", text[position + 1:position + 3]):
        return "times", position + 1
    if character == "#" and following.isalpha():
        return "hashtag", position + 1
    if character == "~" and following.isdecimal():
        return "about", position + 1
    if character == "^" and following.isalnum():
        power = {"2": "squared", "3": "cubed"}.get(following)
        return (power, position + 2) if power else ("to the power of", position + 1)
    if character == "/" and before.isupper() and following.isupper():
        return "", position + 1
    return SIGNS.get(character, ""), position + 1


def settle(gap: str, last: bool = False, capital: bool = False) -> str:
    """The one pause of what stands between two words: `"--` -> `,`, `.")` -> `.`; nothing for a space or a lone hyphen.

    last: no word follows, so that quotes and brackets need no pause; capital: the next word begins with a capital.
    """
    if gap == " " or not gap:
        return ""
    mark = _MARKS.search(gap)
    if mark:
        return mark[0]
    stops = gap.count(".")
    if stops > 1 and ".." in gap.replace(" ", ""):
        return "." if last or capital else ","
    for sign in ".;:,":
        if sign in gap:
            return sign
    if re.search(r"\n\s*\n", gap):
        return "."
    if "—" in gap or "–" in gap or "--" in gap or "-" in gap and gap.strip() != gap:
        return ","
    return "" if last or not set(gap) & set("\"'()[]|") else ","
