"""How what begins with a letter is read: words, abbreviations, acronyms, roman numerals, addresses of the internet.

`read_word(text, start)` tries the rules in order at one place; the first that fits decides. A capital that stands alone
in what is said is the name of a letter ("B B C"); everything else is lower case.
"""
import functools
import re
from collections.abc import Callable

from text.figures import MONTH, month_name, read_figure, say_whole
from text.lexicon import (
    ABBREVIATIONS,
    ALSO_WORDS,
    BARE_TITLES,
    BEFORE_NUMBERS,
    DOLLARS_OF,
    DOMAINS,
    DOTTED,
    FILES,
    MONARCHS,
    NUMBERED,
    PRONOUNCED,
    SHAPES,
    SPELLED,
    STARTERS,
    STREETS,
    TITLES,
    URL_SIGNS,
    WEEKDAYS,
    has_number,
)
from text.numbers import cardinal, ordinal, spell_digits, year
from text.phonemes import dictionary_entry, is_spelled

Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str | None]]
_ENDINGS = DOMAINS | FILES
_ROMAN = re.compile(r"(?=.)(?:x{0,3}|xl|l|lx{0,3}|xc|c{1,3})?x{0,3}(?:ix|iv|v?i{0,3})$")
_ROMAN_VALUES = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}
_OPENING_QUOTE = re.compile(r"(?:^|(?<=[\s(\"]))'(?!(?:tis|twas|em|til|cause|bout|n)\b)(?=[A-Za-z])")
_CLOSING_QUOTE = re.compile(r"'(?![A-Za-z])")
_NOT_I = re.compile(r"'s|[,;:.!?)]|\s*$|\s(?:of|was|is|and|had|who|became|in|died|ruled|reigned)\b")
_BEFORE = re.compile(r"([A-Za-z']+)\.?[\s,]*$")
_SENTENCE_END = re.compile(rf"[\"')\]]*(?:\s*$|\s+[\"'(]?(?:{STARTERS})\b)")
_CAPITAL_NEXT = re.compile(r"[\"')\]]*(?:\s*$|\s+[\"'(]?[A-Z])")
_NEVER_LAST = frozenset([*TITLES.values(), *BARE_TITLES.values(), *BEFORE_NUMBERS.values(), "for example", "that is"])
_LETTER_AFTER = frozenset(
    "vitamin plan grade section type class point option group hepatitis letter team exhibit appendix part level "
    "category side line channel flight gate unit model minor major the an".split())


def spell(letters: str) -> str:
    """'bbc' -> 'B B C'."""
    return " ".join(letters.upper())


def _word_before(match: re.Match[str]) -> str:
    found = _BEFORE.search(match.string[max(0, match.start() - 30):match.start()])
    return found[1] if found else ""


def _dotted(match: re.Match[str]) -> str:
    return DOTTED[match[0].lower().replace(". ", ".") if match[0].lower() not in DOTTED else match[0].lower()]


def _initial(match: re.Match[str]) -> str | None:
    """The J. of 'J. Smith', but not the C. of 'vitamin C. It ...'."""
    if _SENTENCE_END.match(match.string, match.end()) or _word_before(match).lower() in _LETTER_AFTER:
        return None
    return match[1]


def _abbreviation(match: re.Match[str]) -> str | None:
    word, text = match[1], match.string
    low = word.lower()
    if has_number(low, text, match.end()):
        return BEFORE_NUMBERS[low]
    if low in WEEKDAYS and re.compile(rf",?\s(?:{MONTH})").match(text, match.end()):
        return BEFORE_NUMBERS[low]
    if low in ("mon", "sat", "sun", "no", "art", "fig", "b", "d", "r", "c", "p", "v"):
        return None
    if word[0].isupper() and low in TITLES | STREETS:
        return _title_or_street(match, low)
    if low in ABBREVIATIONS and (low not in ("ave", "dist", "ms") or word[0].isupper()):
        return ABBREVIATIONS[low]
    return None


def _title_or_street(match: re.Match[str], low: str) -> str | None:
    """'St. James St.': a saint before a capital, a street after one and elsewhere."""
    text = match.string
    named = bool(re.compile(r"\s+[A-Z]").match(text, match.end())) and not _SENTENCE_END.match(text, match.end())
    before = text[max(0, match.start() - 40):match.start()]
    after_name = bool(re.search(r"(?:[A-Z][a-z]+(?:'s)?|\d(?:st|nd|rd|th))\s$", before))
    numbered = bool(re.search(r"\d\s(?:[NSEW]\.?\s)?(?:[A-Z][a-z]+\s){1,2}$", before))
    if low in STREETS and after_name and (numbered or not named):
        return STREETS[low]
    return TITLES.get(low) or (None if named else STREETS[low])


def _bare_title(match: re.Match[str]) -> str:
    return BARE_TITLES[match[1].lower()]


def _date(match: re.Match[str]) -> str:
    said = f"{month_name(match[1])} {ordinal(match[2])}"
    if match[3]:
        said += f" to {ordinal(match[3])}"
    return said + (f", {year(match[4])}" if match[4] else "")


def _month_and_year(match: re.Match[str]) -> str:
    return f"{month_name(match[1])} {year(match[2])}"


def roman_value(letters: str) -> int:
    """'xiv' -> 14; 0 for what is no roman numeral below 400."""
    if not _ROMAN.match(letters):
        return 0
    values = [_ROMAN_VALUES[letter] for letter in letters]
    return sum(-value if value < later else value for value, later in zip(values, [*values[1:], 0]))


def _roman(match: re.Match[str]) -> str | None:
    letters, before = match[0], _word_before(match)
    value = roman_value(letters.lower())
    if not value or not (letters.isupper() or letters.islower()):
        return None
    if letters.isupper() and len(letters) > 1 and re.compile(r"\s[Cc]entur").match(match.string, match.end()):
        return ordinal(str(value))
    pronoun = letters == "I" and re.compile(r"'|\s+[a-z]").match(match.string, match.end())
    if before.lower() in NUMBERED and not pronoun:
        return cardinal(str(value))
    if letters.islower() or not before or not before[0].isupper():
        return None
    if before.lower() in MONARCHS and letters not in ("L", "C", "X"):
        if letters != "I" or _NOT_I.match(match.string, match.end()):
            return "the " + ordinal(str(value))
    return cardinal(str(value)) if len(letters) > 1 and set(letters) <= set("IVX") else None


def _address_word(word: str) -> str:
    """A part of an address: digits one by one, letters as a word where they can be said as one."""
    if word.isdecimal():
        return spell_digits(word) if len(word) > 2 or word[0] == "0" else cardinal(word)
    low = word.lower()
    if low == "www" or is_spelled(low) or not re.search("[aeiouy]", low) or len(low) == 1 or (
            len(low) <= 3 and not dictionary_entry(low)):
        return spell(word)
    return low


def say_address(address: str) -> str:
    """'www.example.com/a-b' -> 'W W W dot example dot com slash A dash B'."""
    said, before = [], ""
    for part in re.findall(r"[A-Za-z]+|\d+|[^A-Za-z\d]", address):
        if part.isalnum():
            ending = _ENDINGS.get(part.lower()) if before == "." else None
            said.append(ending or _address_word(part))
        else:
            said.append(URL_SIGNS.get(part, ""))
        before = part
    return " ".join(filter(None, said))


def _address(match: re.Match[str]) -> str:
    return say_address(match[0])


def _bare_domain(match: re.Match[str]) -> str | None:
    return say_address(match[0]) if match[1].lower() in _ENDINGS and match[1].islower() | match[0].isupper() else None


@functools.lru_cache(maxsize=8)
def _shouting(text: str) -> bool:
    """True for a text all in capitals that holds several ordinary words: then capitals mark no acronym."""
    if text != text.upper():
        return False
    words = re.findall(r"[A-Z]{2,}", text[:2000])
    known = [word for word in words
             if dictionary_entry(word.lower()) and not is_spelled(word.lower()) and word not in SPELLED]
    return len(known) >= 2 and 2 * len(known) > len(words)


def _acronym(match: re.Match[str]) -> str:
    if match[0] == "WHO" and _word_before(match).lower() == "the":
        return spell("WHO")
    word, ending = match[1], "'s" if match[2] else ""
    return say_capitals(word, _shouting(match.string)) + (
        ending if len(word) < 6 or not ending or "'" in match[2] else "s")


def say_capitals(word: str, shouting: bool = False) -> str:
    """'BBC' -> 'B B C', 'NASA' -> 'nasa', 'STOP' -> 'stop'; shouting: the text around is all in capitals too."""
    if word in PRONOUNCED:
        return PRONOUNCED[word]
    low = word.lower()
    if word in SPELLED and not (shouting and word in ALSO_WORDS) or is_spelled(low):
        return spell(word)
    if dictionary_entry(low):
        return low
    if not re.search("[AEIOUY]", word) or len(word) <= (3 if shouting else 5):
        return spell(word)
    return low


def _with_digits(match: re.Match[str]) -> str:
    """'H2O', 'COVID-19', 'F-16', 'MP3', 'iPhone15': letters and numbers in turn."""
    said = []
    for part in re.findall(r"[A-Za-z]+|\d+", match[0]):
        if part.isdecimal():
            said.append(say_whole(part, years=len(part) == 4))
        else:
            said.append(say_capitals(part) if part.isupper() else spell(part) if len(part) < 3 else part.lower())
    return " ".join(said)


def _dollars_of(match: re.Match[str]) -> str:
    said = read_figure(match[2], 0)
    return said[0].replace("dollar", f"{DOLLARS_OF[match[1]]} dollar")


def _single_letter(match: re.Match[str]) -> str:
    letter, text = match[1], match.string
    if match[2]:
        return f"{letter}'s"
    if _word_before(match).lower() in _LETTER_AFTER:
        return letter
    article = letter == "A" and re.match(r"\s+\w", text[match.end():match.end() + 9])
    return letter.lower() if letter == "I" or article else letter


def _small_letter(match: re.Match[str]) -> str:
    return match[0] if match[0] in "aio" else match[0].upper()


def _word(match: re.Match[str]) -> str:
    return match[0].lower()


def _genitive(match: re.Match[str]) -> str | None:
    """The dogs' of 'the dogs' bones'; not the last word of 'a quotation in single quotes'."""
    before = match.string[max(0, match.start() - 200):match.start()]
    opened = max((quote.start() for quote in _OPENING_QUOTE.finditer(before)), default=-1)
    return None if opened >= 0 and not _CLOSING_QUOTE.search(before, opened + 2) else match[0].lower()


_DOTTED_KEYS = "|".join(re.escape(key).replace(r"\.", r"\.\s?").removesuffix(r"\s?")
                        for key in sorted(DOTTED, key=len, reverse=True))
_SHAPE_KEYS = "|".join(map(re.escape, sorted(SHAPES, key=len)[::-1]))
_END = r"(?![A-Za-z0-9])"
_RULES: tuple[Rule, ...] = tuple((re.compile(pattern), say) for pattern, say in (
    (r"[A-Za-z]{2,6}://[^\s<>\"]{1,300}[A-Za-z0-9/]|www\.[A-Za-z0-9][^\s<>\"]{1,300}[A-Za-z0-9/]", _address),
    (r"[A-Za-z0-9][\w.+-]{0,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,5}", _address),
    (rf"(?i:{_DOTTED_KEYS}){_END}", _dotted),
    (rf"(?:{_SHAPE_KEYS})(?![A-Za-z0-9']|\.[A-Za-z])", lambda match: SHAPES[match[0]]),
    (r"((?:[A-Za-z]\.){1,9}[A-Za-z])('s|s)?(?![A-Za-z.])|((?:[A-Za-z]\.){2,10})(?:'?(s)(?![A-Za-z]))?(?![A-Za-z])",
     lambda match: spell((match[1] or match[3]).replace(".", "")) + ("'s" if match[2] or match[4] else "")),
    (r"(?:[A-Za-z0-9-]{1,63}\.){1,8}([A-Za-z]{2,6}|mp3)(?:/[^\s<>\"]{0,300}[A-Za-z0-9/])?(?![A-Za-z0-9])",
     _bare_domain),
    (rf"({MONTH}) (\d\d?)(?:st|nd|rd|th)?(?![\d:%/]|\.\d|,\d{{3}})(?:\s?[-–]\s?(\d\d?)(?![\d:]))?"
     r"(?:,? (\d{4})(?!\d))?", _date),
    (rf"({MONTH}),? (\d{{4}})(?!\d)", _month_and_year),
    (r"([A-Z])\.(?=\s?[A-Z])", _initial),
    (r"([A-Za-z]{1,9})\.(?![A-Za-z0-9])", _abbreviation),
    (rf"({'|'.join(word.title() for word in BARE_TITLES)})(?=\s[A-Z])", _bare_title),
    (rf"[IVXLC]+{_END}|[ivxlc]+{_END}", _roman),
    (rf"({'|'.join(DOLLARS_OF)})(\$(?:\d[\d,.]*)?\d(?:\s?(?:thousand|million|billion|trillion)\b"
     r"|(?:k|K|[mb]n?|[MB])\b)?)", _dollars_of),
    (r"[A-Za-z]+\d[A-Za-z\d]*", _with_digits),
    (r"([A-Z]{2,})('s|s)?(?![A-Za-z'])", _acronym),
    (r"([A-Z])('s)?(?![A-Za-z'&])", _single_letter),
    (r"[b-z](?![A-Za-z'])", _small_letter),
    (r"[A-Za-z]{1,30}(?:'[A-Za-z]{1,30})?s'(?![A-Za-z])", _genitive),
    (r"[A-Za-z]+(?:'[A-Za-z]+)*(?:-[A-Za-z]+(?:'[A-Za-z]+)*)*", _word)))


def read_word(text: str, start: int) -> tuple[str, int] | None:
    """The words that text[start:] begins with, and their end; None where no letter stands.

    A full stop that also ends the sentence is left for the pause ("... in the U.S.").
    """
    for pattern, say in _RULES:
        match = pattern.match(text, start)
        words = match and say(match)
        if words is not None:
            stop = match.end()
            ends = _SENTENCE_END if "." in match[0][:-1] else _CAPITAL_NEXT
            if text[stop - 1] == "." and words not in _NEVER_LAST and len(words) > 1 and ends.match(text, stop):
                stop -= 1
            return words, stop
    return None

