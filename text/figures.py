"""How figures are read aloud: numbers, money, quantities, dates, times, telephone numbers, fractions, ranges.

`read_figure(text, start)` tries the rules in order at one place; the first that fits decides. The patterns are
bounded or consume what they scan, so that reading stays linear in the length of the text.
"""
import re
from collections.abc import Callable

from text.lexicon import (
    ATTACHED_ONLY,
    CURRENCIES,
    FRACTIONS,
    HYPHENATED_UNITS,
    MAGNITUDES,
    MONTHS,
    SPACED_ONLY,
    SQUARED,
    UNITS,
)
from text.numbers import as_ordinal, cardinal, ordinal, pairs, spell_digits, year

Said = tuple[str, int]  # the words, and where in the text they end
Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str | None]]

NUMBER = r"(?:(?:\d{1,3}(?:,\d{3})+(?![\d])|\d+)(?:\.\d+)?|\.\d+)"
_SIGNS = "".join(map(re.escape, CURRENCIES))
MONTH = "|".join([*MONTHS, *(f"{month[:3]}\\.?" for month in MONTHS if month != "May"), r"Sept\.?"])
_UNIT = "|".join(sorted(map(re.escape, UNITS), key=len, reverse=True))
_MERIDIEM = r"(?:\s?([AaPp])(?:\.\s?[Mm]\.|[Mm]\b\.?))"
_CAPITAL_NEXT = re.compile(r"[\"')\]]*(?:\s*$|\s+[\"'(]?[A-Z])")
_CALLS = re.compile(r"(?i)\b(?:call|dial)(?:ed|ing|s)?\s$")
_ARTICLE = re.compile(r"\b[Aa]n?\s$")


def month_name(written: str) -> str:
    """'Sept.' -> 'september'."""
    return next(month for month in MONTHS if month.startswith(written[:3])).lower()


def say_number(written: str) -> str:
    """'1,234.5', '1876' (as a year), '007', '.5' -> words."""
    whole, point, decimals = written.partition(".")
    if point:
        said = say_whole(whole.replace(",", ""), years=False) + " " if whole else ""
        return f"{said}point {spell_digits(decimals)}"
    return say_whole(whole.replace(",", ""), years="," not in whole)


def say_whole(digits: str, years: bool = True) -> str:
    """Digits as a year if they may be one, digit by digit if a code (007, or ten and more), else a cardinal."""
    if len(digits) > 1 and digits[0] == "0" or len(digits) >= 10 and not digits.endswith("000") and years:
        return spell_digits(digits)
    if years and len(digits) == 4:
        if "1100" <= digits <= "1999" or "2010" <= digits <= "2099" or digits[2:] == "00" != digits[1:3]:
            return pairs(digits)
    return cardinal(digits)


def _exact(written: str) -> str:
    """A number that cannot be a year."""
    return say_number(written) if "." in written else say_whole(written.replace(",", ""), years=False)


def plural(words: str) -> str:
    """'nineteen ninety' -> 'nineteen nineties'."""
    if words.endswith("y"):
        return words[:-1] + "ies"
    return words + ("es" if words.endswith("x") else "s")


def _after_article(match: re.Match[str]) -> bool:
    """True in 'a $5 coffee', 'a 5 km run': the noun of the quantity stays singular."""
    text = match.string
    return bool(_ARTICLE.search(text[max(0, match.start() - 4):match.start()])
                and re.compile(r"[ -][a-z]").match(text, match.end()))


def _phone(match: re.Match[str]) -> str:
    groups = ", ".join(spell_digits(group) for group in re.findall(r"\d+", match[0]))
    return "plus " + groups if match[0][0] == "+" else groups


def _calendar(year_: str, month: str, day: str) -> str | None:
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return None
    return f"{MONTHS[int(month) - 1].lower()} {ordinal(day)}, {year(year_) if len(year_) == 4 else _short_year(year_)}"


def _short_year(digits: str) -> str:
    return spell_digits(digits).replace("zero", "oh") if digits[0] == "0" else cardinal(digits)


def _iso_date(match: re.Match[str]) -> str | None:
    return _calendar(match[1], match[2], match[3])


def _slash_date(match: re.Match[str]) -> str | None:
    return _calendar(match[3], match[1], match[2]) or _calendar(match[3], match[2], match[1])


def _dot_date(match: re.Match[str]) -> str | None:
    return _calendar(match[3], match[2], match[1])


def _day_of_month(match: re.Match[str]) -> str | None:
    if not 1 <= int(match[1]) <= 31:
        return None
    article = "" if re.search(r"\b[Tt]he\s$", match.string[max(0, match.start() - 5):match.start()]) else "the "
    return f"{article}{ordinal(match[1])} of {month_name(match[2])}" + (f" {year(match[3])}" if match[3] else "")


def _time(match: re.Match[str]) -> str:
    hour, minute, second, half = match[1], match[2], match[3], match[4]
    said = cardinal(hour)
    if minute == "00" and not half and not second:
        said += " o'clock" if 0 < int(hour) <= 12 else " hundred"
    elif minute != "00":
        said += " " + ("oh " if minute[0] == "0" else "") + cardinal(minute)
    if second:
        said += f" and {cardinal(second)} second" + ("" if second == "01" else "s")
    return said + (f" {half.upper()} M" if half else "")


def _hour(match: re.Match[str]) -> str:
    return f"{cardinal(match[1])} {match[2].upper()} M"


def _ratio(match: re.Match[str]) -> str:
    return f"{cardinal(match[1])} to {cardinal(match[2])}"


def _money(match: re.Match[str]) -> str:
    one, many, cent, cents = CURRENCIES[match[1]]
    low, high, magnitude = match[2], match[3], match[4] or match[5]
    several = one if _after_article(match) else many
    if high:
        low_said = f"{_exact(low)} to {_exact(high)}"
    elif not magnitude and cent and re.search(r"\.\d\d$", low):
        return _with_cents(low.replace(",", ""), one, several, cent, cents)
    else:
        low_said = _exact(low)
    if magnitude:
        return f"{low_said} {MAGNITUDES[magnitude.lower()]} {several}"
    return f"{low_said} {one if low == '1' and not high else several}"


def _with_cents(amount: str, one: str, many: str, cent: str, cents: str) -> str:
    whole, _, part = amount.partition(".")
    whole = whole.lstrip("0")
    said = [f"{cardinal(whole)} {one if whole == '1' else many}"] if whole else []
    if part != "00":
        said.append(f"{cardinal(part)} {cent if part == '01' else cents}")
    return " and ".join(said) or f"zero {many}"


def _quantity(match: re.Match[str]) -> str | None:
    amount, magnitude, gap, unit, square, per = match.groups()
    if unit in ATTACHED_ONLY and gap or unit in SPACED_ONLY and gap != " ":
        return None
    if gap == "-" and unit not in HYPHENATED_UNITS:
        return None
    one = amount == "1" and not magnitude or gap == "-" or _after_article(match)
    said = _exact(amount) + (f" {magnitude.lower()}" if magnitude else "")
    name = UNITS[unit][0 if one else 1]
    return f"{said} {SQUARED[square] + ' ' if square else ''}{name}" + (f" per {UNITS[per][0]}" if per else "")


def _inches(match: re.Match[str]) -> str:
    return f"{_exact(match[1])} inch{'' if match[1] == '1' else 'es'}"


def _feet(match: re.Match[str]) -> str:
    return f"{cardinal(match[1])} {'foot' if match[1] == '1' else 'feet'} {cardinal(match[2])}"


def _version(match: re.Match[str]) -> str:
    numbers = match[0].split(".")
    return (" point " if len(numbers) == 3 else " dot ").join(cardinal(number) for number in numbers)


def _fraction(match: re.Match[str]) -> str:
    whole, over, under = match.groups()
    if over == "1" and under in FRACTIONS and whole:
        said = f"a {FRACTIONS[under][0]}"
    elif int(over) < int(under) <= 100 and (over, under) != ("9", "11"):
        one, many = FRACTIONS.get(under, (ordinal(under), plural(ordinal(under))))
        said = f"{cardinal(over)} {one if over == '1' else many}"
    else:
        joint = " " if over == under or (over, under) in {("9", "11"), ("24", "7")} else " over "
        said = say_whole(over) + joint + say_whole(under)
    return f"{cardinal(whole)} and {said}" if whole else said


def _decade(match: re.Match[str]) -> str:
    return plural(say_whole(match[1]))


def _ordinal(match: re.Match[str]) -> str:
    return as_ordinal(cardinal(match[1].replace(",", ""))) + (match[2] or "")


def _multiple(match: re.Match[str]) -> str:
    return f"{_exact(match[1])} times"


def _thousands(match: re.Match[str]) -> str:
    return f"{_exact(match[1])} {MAGNITUDES[match[2].lower()]}"


def _with_letters(match: re.Match[str]) -> str:
    letters = match[2]
    spelled = len(letters) <= 2 or letters.isupper()
    return f"{say_whole(match[1], years=False)} {' '.join(letters.upper()) if spelled else letters.lower()}"


def _plain(match: re.Match[str]) -> str:
    text = match.string
    if match[0] in ("911", "999", "112") and _CALLS.search(text[max(0, match.start() - 10):match.start()]):
        return spell_digits(match[0])
    return say_number(match[0])


_RULES: tuple[Rule, ...] = tuple((re.compile(pattern), say) for pattern, say in (
    (r"(?:\+?\d{1,3}[-. ])?(?:\(\d{3}\)[ -]?|\d{3}[-. ])\d{3}[-. ]\d{4}(?![\d-])", _phone),
    (r"(?:\d{4}[ -]){3}\d{4}(?![\d-])|\d{3}-\d{4}(?![\d-])|\d{3}-\d\d-\d{4}(?![\d-])"
     r"|\+\d{1,3}(?:[- ]\d{2,5}){2,5}(?!\d)", _phone),
    (r"(\d{4})-(\d\d)-(\d\d)(?!\d)", _iso_date),
    (r"(\d\d?)/(\d\d?)/(\d{4}|\d\d)(?![\d/])", _slash_date),
    (r"(\d\d?)\.(\d\d?)\.(\d{4})(?![\d.]\d)", _dot_date),
    (rf"(\d\d?)(?:st|nd|rd|th)? (?:of )?({MONTH})(?![a-z])(?:,? (\d{{4}})(?!\d))?", _day_of_month),
    (rf"([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?(?![\d:]){_MERIDIEM}?", _time),
    (rf"(1[0-2]|0?[1-9]){_MERIDIEM}(?!\w)", _hour),
    (r"(\d{1,6}):(\d{1,6})(?![\d:])", _ratio),
    (rf"([{_SIGNS}])\s?({NUMBER})(?:\s?[-–]\s?\1?({NUMBER}))?"
     rf"(?:[ -]?((?i:hundred|thousand|million|billion|trillion))\b|((?i:k|mn?|bn?|tn?))\b)?", _money),
    (r"(\d{2,4})'?s\b(?!/)", _decade),
    (r"(\d{1,2})'\s?(\d{1,2})(?:\"|'')", _feet),
    (rf"({NUMBER})(?:\s(hundred|thousand|million|billion|trillion))?([ -]?)({_UNIT})([23²³]|\^[23])?(?:/({_UNIT}))?"
     r"(?![A-Za-z0-9²³]|[-'&][A-Za-z])(?:(?<=[a-z])\.(?!\w))?", _quantity),
    (rf"({NUMBER})\s?in\.(?=\s+[a-z]|[,;:)]|\s*$)", _inches),
    (r"\d+(?:\.\d+){2,}", _version),
    (r"(?:(\d+) )?(\d{1,4})/(\d{1,4})(?![\d/])", _fraction),
    (r"(\d[\d,]{0,40})(?:st|nd|rd|th|ST|ND|RD|TH)(s?)\b", _ordinal),
    (rf"({NUMBER})(?:x|X|×)(?!\w)", _multiple),
    (r"(\d+)([kK])(?=\s(?:run|race|walk|video|display|monitor|screen|tv|TV)|(?<=[48]K)(?!\w))", _with_letters),
    (rf"({NUMBER})(k|K|M|bn|mn)(?!\w)", _thousands),
    (r"(\d+)(?![xX]\d)([A-Za-z]+)(?![A-Za-z])", _with_letters),
    (NUMBER, _plain)))
# "10-15", "9 a.m. – 5 p.m.", "1920x1080": what joins this figure to the next
_RANGE = re.compile(rf"\s?[-–]\s?(?=[{_SIGNS}]?\.?\d)")
_TIMES = re.compile(r"(\s?)([x×])\s?(?=\d)")
_SERIES = re.compile(r"\d{1,20}(?:-\d{1,20}){2,6}(?![\w])")


def _shorten(match: re.Match[str]) -> int:
    """The end of the match, without a full stop that also ends the sentence ('at 5 p.m. Then')."""
    stop = match.end()
    return stop - 1 if match.string[stop - 1] == "." and _CAPITAL_NEXT.match(match.string, stop) else stop


def _join(text: str, start: int, stop: int) -> tuple[str, int]:
    """The word between this figure and another that follows at `stop`, and where that other starts."""
    times = _TIMES.match(text, stop)
    if times:
        return (" times" if times[2] == "×" and times[1] else " by"), times.end()
    joint = _RANGE.match(text, stop)
    if not joint or text[joint.end() - 1:joint.end()] == "-" and text[stop] == " ":
        return "", stop
    low, high = re.compile(r"\d+").match(text, start), re.compile(r"\d+").match(text, joint.end())
    if low and high and low[0] == high[0] and low.end() == stop:  # fifty-fifty
        return "", joint.end()
    subtracts = joint[0].strip() == "-" and re.compile(r"\d+\s?=").match(text, joint.end())
    return (" minus" if subtracts else " to"), joint.end()


def read_figure(text: str, start: int) -> Said | None:
    """The words of the figure at text[start:], and its end; None where none starts."""
    if text[start] in "-−" and text[start + 1:start + 2].isdecimal() | (text[start + 1:start + 2] in CURRENCIES):
        if start and (text[start - 1].isalnum() or text[start - 1] in ")-"):
            return None
        said = read_figure(text, start + 1)
        return said and (f"minus {said[0]}", said[1])
    series = _SERIES.match(text, start)
    for pattern, say in _RULES:
        match = pattern.match(text, start)
        words = match and say(match)
        if words is not None:
            stop = _shorten(match)
            joint, stop = ("", stop) if series else _join(text, start, stop)
            return words + joint, stop
    return None
