"""Rules for telephone numbers, and numbers that are grouped like them."""
import re

from text.numbers import cardinal, spell_digits
from text.rule import DIGIT, SMALL, before, compiled, near, rule

_PHONE_WORDS = "call|phone|dial|number|tel|ring|fax|mobile|cell|text|contact|extension|reach|hotline|office"


def _say_phone(written: str) -> str:
    """Groups of digits with pauses between them; 800 and the like are hundreds."""
    said = [cardinal(group) if re.fullmatch("[89]00", group) else spell_digits(group)
            for group in re.findall(r"\d+", written)]
    return ("plus " if written[0] == "+" else "") + ", ".join(said)


@rule(DIGIT + "+(", r"(?:\+?\d{1,3}[-. ])?(?:\(\d{3}\)[ -]?|\d{3}[-. ])\d{3}[-. ]\d{4}(?![\d-])")
def phone(match: re.Match[str]) -> str:
    """(555) 123-4567 -> five five five, one two three, four five six seven."""
    return _say_phone(match[0])


@rule(DIGIT, r"(?:\d{4}[ -]){3}\d{4}(?![\d-])|\d{3}-\d\d-\d{4}(?![\d-])|\d{3}-\d{4}(?![\d-])")
def short_phone(match: re.Match[str]) -> str:
    """555-2368, and the numbers of cards and of social security."""
    return _say_phone(match[0])


@rule(DIGIT, r"\d{3} \d{4}(?![\d,./-]*\d|\w)")
def phone_with_space(match: re.Match[str]) -> str | None:
    """Reads a phone number with a space digit by digit: 'My number was 555 2143'."""
    return _say_phone(match[0]) if match[0].startswith("555") or near(match, _PHONE_WORDS, 40) else None


@rule(DIGIT, r"\d{3,4}(?: \d{3,4}){1,5}(?![\d,./-]*\d|\w)")
def number_in_groups(match: re.Match[str]) -> str | None:
    """'Meeting ID: 845 2213 9970' -> eight four five, two two one three, ...; not 845 213 997 people."""
    groups = match[0].split()
    if len(groups) == 2:
        return _say_phone(match[0]) if compiled(r"(?i)code\b[^.]{0,20}(?: is|:) $").search(before(match)) else None
    uneven = any(len(group) == 4 for group in groups[1:])
    named = near(match, r"id|number|code|no\.|account|card|serial|tracking", 24)
    return _say_phone(match[0]) if uneven or named else None


@rule("+", r"\+\d{1,3}(?:[- (]{1,2}\d{1,8}\)?){1,6}(?!\d)|\+\d{7,15}(?!\d)")
def international_phone(match: re.Match[str]) -> str | None:
    """+39 06 698123 -> plus three nine, zero six, six nine eight one two three."""
    return _say_phone(match[0]) if len(re.findall(r"\d", match[0])) >= 7 else None


@rule(DIGIT + "(", r"\(?0\d{2,4}\)? ?\d{3,4} \d{3,4}(?!\d)|\(?0\d{3,4}\)?[ -]\d{5,7}(?!\d)|0\d(?: \d\d){4}(?!\d)")
def national_phone(match: re.Match[str]) -> str:
    """020 7123 4568 -> zero two zero, ..."""
    return _say_phone(match[0])


@rule(DIGIT, r"1-(800|888|877|866|855|844|833|900)-((?:[A-Z]{2,}|\d+)(?:-(?:[A-Z]{2,}|\d+)){0,3})(?![\w-])")
def vanity_phone(match: re.Match[str]) -> str:
    """1-800-COOKIES -> one, eight hundred, cookies."""
    code = cardinal(match[1]) if match[1].endswith("00") else spell_digits(match[1])
    rest = [spell_digits(part) if part.isdecimal() else part.lower() for part in match[2].split("-")]
    return f"one {code}, {', '.join(rest)}"


@rule(SMALL, r"x ?(\d{1,5})(?!\w|\.\d)")
def phone_extension(match: re.Match[str]) -> str | None:
    """'555-2187 x42' -> extension forty-two."""
    if not re.search(r"\d{4} ?,? ?$", before(match, 7)):
        return None
    return f"extension {spell_digits(match[1]) if len(match[1]) > 2 else cardinal(match[1])}"
