"""Rules for what is no word and no figure: braces, quotes, elisions, footnote marks, operators, signs."""
import re

from text.figures import say_power
from text.phonemes import dictionary_entry, is_arpabet
from text.rule import DIGIT, LETTER, after, before, begins_line, compiled, near, rule
from text.tables import ABBREVIATIONS, GREEK, NEVER_LAST, OPERATORS, QUOTED_SIGNS, SHAPES, SIGNS

_SHAPE = "|".join(re.escape(key) for key in sorted(SHAPES, key=len, reverse=True) if not key.isalpha())
_SHAPE_STARTS = "".join(sorted({shape[0] for shape in SHAPES if not shape[0].isalnum()}))
_OPERATOR = "|".join(map(re.escape, OPERATORS))
_SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_PLAIN_DIGITS = str.maketrans(_SUPERSCRIPTS + "⁻⁺", "0123456789-+")
_IS_POWER_AFTER = r"(?:\d|[)\]]|(?<![A-Za-z])[A-Za-z]|\b(?:mm|cm|m|km|in|ft|mi|yd))$"


@rule("{", r"\{([^{}]{1,400})\}")
def pronunciation(match: re.Match[str]) -> str | None:
    """`{R EH1 D}` as it stands; braces around anything but ARPAbet mean nothing."""
    return "{" + " ".join(match[1].split()) + "}" if is_arpabet(match[1]) else None


@rule(LETTER + DIGIT + _SHAPE_STARTS, rf"(?:{_SHAPE}|[A-Za-z]{{1,14}})(?![A-Za-z0-9]|'[A-Za-rt-z]|\.[A-Za-z]|-\d)")
def written_shape(match: re.Match[str]) -> str | None:
    """w/o -> without, C++ -> C plus plus, idk -> i don't know; what has a full stop is left to the abbreviations."""
    stopped = after(match, 1) == "." and match[0].lower() in ABBREVIATIONS | NEVER_LAST
    return None if stopped else SHAPES.get(match[0])


@rule("*+-—–", r"[*+—–-](?=\s)")
def bullet(match: re.Match[str]) -> str | None:
    """The mark of a list item at the start of a line: silence."""
    return "" if begins_line(match) else None


@rule("'\"", r"(['\"])([;:,.{}()\[\]])\1")
def quoted_sign(match: re.Match[str]) -> str:
    """The ';' of "expected ';' before 'x'" -> semicolon."""
    return QUOTED_SIGNS[match[2]]


@rule("[", r"\[\s{0,9}[Pp]ause\b[^\][]{0,40}\]")
def pause_mark(match: re.Match[str]) -> str:
    """'Wait. [pause 1.5s] Go!': a pause; text/plan.py cuts a text there and knows how long it lasts."""
    return ","


@rule("[", r"\[(?:\d{1,3}(?:[,–-] ?\d{1,3}){0,5}|[a-z]|note \d+|citation needed|sic)\]")
def footnote_in_brackets(match: re.Match[str]) -> str | None:
    """'Bees can count.[3]' -> silence."""
    return "" if match.start() and not before(match, 1).isspace() or match[0][1] in "cns" else None


@rule(_SUPERSCRIPTS + "⁻⁺", r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+")
def superscript(match: re.Match[str]) -> str:
    """10⁶ -> ten to the sixth, x² -> X squared; after a word, a footnote mark: silence."""
    digits = match[0].translate(_PLAIN_DIGITS)
    if not compiled(_IS_POWER_AFTER).search(before(match, 4)) or not digits.lstrip("+-").isdecimal():
        return ""
    sign = "-" if digits[0] == "-" else ""
    return say_power(sign, digits.lstrip("+-"))


@rule("(", r"\(\)")
def empty_brackets(match: re.Match[str]) -> str | None:
    """The () of 'getName() returns': silence."""
    return "" if before(match, 1).isalnum() else None


@rule("†‡", r"[†‡]+")
def dagger(match: re.Match[str]) -> str:
    """The mark of a footnote: silence."""
    return ""


@rule("*", r"\*+(?=[\s.,;:!?)]|$)")
def footnote_star(match: re.Match[str]) -> str | None:
    """'Prices from* ...': silence after a word."""
    return "" if re.search(r"[A-Za-z.,!?)\"']$", before(match, 1)) else None


@rule("=-_*~#", r"[=*~#_]{3,}|-{4,}")
def dividing_line(match: re.Match[str]) -> str | None:
    """A line of ====== between paragraphs: silence."""
    alone = begins_line(match) and re.match(r"\s*?(?:\n|$)", after(match, 8))
    return "" if alone or len(match[0]) > 3 else None


@rule("αβγδεζηθικλμνξοπρστυφχψωΩΔΣΠΦΨΛΓΘ", r"[α-ωΑ-Ω]")
def greek_letter(match: re.Match[str]) -> str | None:
    """α -> alpha."""
    return GREEK.get(match[0])


@rule("!=<>&|+-§¶", _OPERATOR)
def operator(match: re.Match[str]) -> str | None:
    """!= -> is not equal to, && -> and; '->' only between spaces or names."""
    if match[0] == "||" and not re.match(r"\s?\w", after(match, 2)):
        return None
    return OPERATORS[match[0]]


@rule(">", r">")
def menu_arrow(match: re.Match[str]) -> str | None:
    """'File > Export' -> file, export; not '5 > 3'."""
    if re.search(r"[A-Z][\w.]*(?: [A-Z]\w*)? $", before(match, 30)) and re.match(r" [A-Z]", after(match, 2)):
        return ","
    return None


@rule("*", r"\*\s?(?=[\d(A-Za-z])")
def times_star(match: re.Match[str]) -> str | None:
    """8*9, 6 * 7 -> times."""
    if match[0] == "* " and before(match, 7).lower() == "select ":
        return "star"
    spaced = re.search(r"[\d)] $|\b[a-z] $", before(match, 2)) and match[0].endswith(" ")
    return "times" if re.search(r"[\d)]$", before(match, 1)) or spaced else None


@rule("!", r"!(?= ?[=+*/)])")
def factorial(match: re.Match[str]) -> str | None:
    """The sign of '5! = 120'."""
    return "factorial" if re.search(r"(?:\d|\b[nk])$", before(match, 2)) else None


@rule("$", r"\$(?=[A-Z]{1,5}(?![A-Za-z]))")
def cashtag(match: re.Match[str]) -> str:
    """The sign of '$TSLA': silence."""
    return ""


@rule("$", r"\$(?= [a-z])")
def prompt(match: re.Match[str]) -> str | None:
    """The sign before a command, '$ npm test': silence."""
    return "" if begins_line(match) else None


@rule("#", r"#(?=[A-Za-z])")
def hashtag(match: re.Match[str]) -> str:
    """#sunset -> hashtag sunset; 'order #A-1029' -> number."""
    return "number" if re.match(r"[A-Z]{1,4}-?\d", after(match, 6)) else "hashtag"


@rule("-−", r"[-−](?=[\s,.;:)\"']|$)")
def grade(match: re.Match[str]) -> str | None:
    """'She got a B- in math' -> B minus."""
    graded = compiled(r"(?:^|[\s(\"'])[A-DF]$").search(before(match, 2)) and near(
        match, "grades?|graded|got|gets|average|student|exam|test|paper|essay|rated|rating|credit|class|score|gpa", 30)
    return "minus" if graded else None


@rule("#*", r"[#*](?=\s|$|[.,;]|\d)")
def telephone_key(match: re.Match[str]) -> str | None:
    """'Press # to go on', 'dial *67' -> pound, star."""
    ends_code = match[0] == "#" and compiled(r"(?i)\b(?:pin|code|dial|id)\b.{0,12}\d$").search(before(match, 24))
    if not ends_code and not compiled(r"(?i)\b(?:press|dial|hit|enter|push)(?: the)? $").search(before(match, 12)):
        return None
    return "pound" if match[0] == "#" else "star"


@rule("~", r"~\s?(?=[\d$£€])")
def about(match: re.Match[str]) -> str:
    """~50 -> about fifty."""
    return "about"


@rule("^", r"\^(?=[A-Za-z(\d-])")
def power_of_letter(match: re.Match[str]) -> str:
    """x^n -> X to the power of N."""
    return "to the power of"


@rule("/", r"/(?= \d[\d.]*\s?=)")
def divided_by(match: re.Match[str]) -> str | None:
    """10 / 2 = 5 -> divided by."""
    return "divided by" if re.search(r"\d $", before(match, 2)) else None


@rule("/", r"/")
def slash_between_words(match: re.Match[str]) -> str | None:
    """AC/DC, 'the on/off switch': silence; the slashes of a path are said."""
    if re.search(r"[A-Z]$", before(match, 1)) and re.match(r"[A-Z]", after(match, 1)):
        return ""
    left, right = compiled(r"(?:^|[\s(\"'-])([A-Za-z]{2,20})$").search(before(match, 22)), compiled(
        r"([A-Za-z]{2,20})(?![/\w.])|([A-Za-z]{2,20})(?=\.?(?:\s|$))").match(match.string, match.end())
    if left and right and all(map(dictionary_entry, (left[1].lower(), (right[1] or right[2]).lower()))):
        return ""
    return None


@rule("".join(sign for sign in SIGNS if sign not in "²³"), r".")
def sign(match: re.Match[str]) -> str | None:
    """& -> and, % -> percent; '(≥ 18 years)' -> at least."""
    said = SIGNS[match[0]]
    compares = compiled(r"(?:^|[\s(])[A-Za-z]{1,2} ?$|[\d)\]²³] ?$").search(before(match, 4))
    return said.removeprefix("is ") if match[0] in "≤≥" and not compares else said

