"""Rules for numbers: plain and grouped ones, ordinals, fractions, ratios, powers, scores."""
import re

from text.numbers import (
    as_ordinal,
    cardinal,
    hundreds,
    ordinal,
    plural,
    say_amount,
    say_number,
    say_whole,
    spell_digits,
    ungrouped,
)
from text.rule import DIGIT, after, before, compiled, figure, led_by, near, rule, word_before
from text.tables import MAGNITUDES, NUMBERED, PER_WORDS, SOFTWARE, UNITS

# 1,234.5; 1,25,000; 1876; .5
NUMBER = r"(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d{1,2}(?:,\d\d)+,\d{3}(?!\d)|\d+)(?:\.\d+)?|\.\d+)"
_STEPS = "attempt|step|part|page|try|retry|stage|task|chunk|batch|epoch|slide|question"
_BEFORE_SECONDS = "for|another|after|every|wait|then|takes?|took|about|in|within|under|over|than|by"
_AFTER_ORDINAL = {"c": "century", "cent": "century", "fl": "floor", "ed": "edition"}
FRACTIONS = {"2": ("half", "halves"), "4": ("quarter", "quarters")}


@rule("-−", r"[-−](?=[\d.$£€])")
def minus(match: re.Match[str]) -> str | None:
    """-5 -> minus five; not the hyphen of 'A-5'."""
    left = match.string[match.start() - 1:match.start()] if match.start() else ""
    if left.isalnum() or left and left in ")-%\"'":
        return None
    return "minus" if re.match(r"[$£€]?\.?\d", match.string[match.end():match.end() + 3]) else None


@figure(DIGIT, rf"({NUMBER})(?:[eE]([-+−])(\d{{1,3}})|(?<=\.\d)[eE]()(\d{{1,2}})|(?<=\.\d\d)[eE]()(\d{{1,2}}))"
        rf"(?![\w.]*\d)")
def scientific(match: re.Match[str]) -> str:
    """3.2e-5 -> three point two times ten to the minus five."""
    sign, power = match[2] or "", match[3] or match[5] or match[7]
    return f"{say_amount(match[1])} times ten {say_power(sign.replace('+', ''), power)}"


def say_power(sign: str, digits: str) -> str:
    """('', '2') -> squared, ('', '30') -> to the thirtieth, ('-', '6') -> to the minus six."""
    if sign in ("-", "−"):
        return f"to the minus {cardinal(digits)}"
    return {"2": "squared", "3": "cubed"}.get(digits) or f"to the {ordinal(digits)}"


@rule("-−", r"[-−](?= (?:\d|[a-z]\b|\())")
def subtraction(match: re.Match[str]) -> str | None:
    """'x² - 4', 'n - 1', '2^8 - 1' -> minus; a dash between words is a pause."""
    term = compiled(r"(?:\^\d{1,4}|[²³)]|(?:^|[\s(=+*/])(?<!\d )[b-hj-z]|\d[xyznk]) $")
    return "minus" if term.search(before(match, 8)) else None


@rule("^", r"\^(?:\{|\()?([-−]?)(\d{1,4})(?:\}|\))?(?!\w)")
def power(match: re.Match[str]) -> str:
    """10^23 -> ten to the twenty-third."""
    return say_power(match[1], match[2])


@figure(DIGIT, r"(\d{1,3}(?:,\d{3})+|\d{1,6})\s?:\s?(\d{1,3}(?:,\d{3})+|\d{1,6})(?:\s?:\s?(\d{1,6}))?(?![\d:])",
      needs=":")
def ratio(match: re.Match[str]) -> str | None:
    """1:50,000 -> one to fifty thousand."""
    if " " in match[0] and not near(match, "ratio|scale|odds|mix|proportion"):
        return None
    return " to ".join(cardinal(ungrouped(part)) for part in match.groups() if part)


@figure(DIGIT, r"\d{1,3}(?:\.\d{3}){2,}(?:,\d{1,2})?(?![\d.]\d)")
def dotted_thousands(match: re.Match[str]) -> str | None:
    """2.300.000 -> two million three hundred thousand; 10.250.100.200 is an internet address."""
    groups = match[0].partition(",")[0].split(".")
    if len(groups) == 4 and all(int(group) < 256 and (group == "0" or group[0] != "0") for group in groups):
        return None
    whole, _, decimals = match[0].partition(",")
    return say_amount(whole.replace(".", "") + ("." + decimals if decimals else ""))


@figure(DIGIT, r"[1-9]\d{0,2}(?: \d{3})+(?![\d,:/.-]*\d)")
def spaced_thousands(match: re.Match[str]) -> str | None:
    """3 500 000 -> three million five hundred thousand."""
    if near(match, "call|phone|dial|tel|fax|code|number|ring|flight|bus|route|room|boeing|version|model", 24):
        return None
    if word_before(match).lower() in NUMBERED or re.search(r"\d[\s,]*$", before(match, 4)):
        return None
    return say_amount(match[0])


@rule(DIGIT, r"(\d+(?:\.\d+)?)/(10|100|(?<=\.\d/)[45])(?![\d/])", needs="/")
def score_out_of(match: re.Match[str]) -> str | None:
    """8.5/10 -> eight point five out of ten."""
    if compiled(r" of (?:a|an|the)\b| ?(?:in|inch|mi|miles?|lb|second|sec|grams?|g|kg|cups?|ounces?|oz|liters?|\")\b"
                ).match(match.string, match.end()):
        return None
    if float(match[1]) > float(match[2]):
        return None
    return f"{say_amount(match[1])} out of {cardinal(match[2])}"


@rule(DIGIT, r"(\d{1,4})/(\d{1,4})(?![\d/]|[.,]\d)", needs="/")
def part_in_brackets(match: re.Match[str]) -> str | None:
    """'Progress: 45% [9/20]', 'attempt 3/5' -> nine of twenty, three of five."""
    return f"{cardinal(match[1])} of {cardinal(match[2])}" if before(match, 1) == "[" or led_by(match, _STEPS) else None


@rule(DIGIT, r"(\d{1,2})/(\d{1,2})(?![\d/]|[.,]\d)", needs="/")
def two_versions(match: re.Match[str]) -> str | None:
    """'Windows 10/11' -> ten eleven."""
    return f"{cardinal(match[1])} {cardinal(match[2])}" if word_before(match).lower() in SOFTWARE else None


@rule(DIGIT, r"(\d{1,4})/(\d{1,4})(?![\d/]|[.,]\d)", needs="/")
def score_with_context(match: re.Match[str]) -> str | None:
    """'gave it 4/5' -> four out of five."""
    if not compiled(r"(?i)\b(?:scored?|gave|rated?|rating|got|graded?|earned|received|review|score)\b").search(
            before(match, 30)) or int(match[1]) > int(match[2]):
        return None
    if compiled(r" (?:of|cups?|hours?|miles?|inch|tsp|tbsp)\b").match(match.string, match.end()):
        return None
    return f"{say_whole(match[1])} out of {say_whole(match[2])}"


@figure(DIGIT, r"(?:(\d{1,4})[ -])?(\d{1,4})/(\d{1,4})(?:st|nd|rd|th)?s?(?![\d/A-Za-z])", needs="/")
def fraction(match: re.Match[str]) -> str:
    """3/4 -> three quarters, 1 1/2 -> one and a half, 24/7 -> twenty-four seven."""
    whole, over, under = match.groups()
    if over == "1" and under in FRACTIONS and whole:
        said = f"a {FRACTIONS[under][0]}"
    elif 0 < int(over) < int(under) <= 100:
        one, many = FRACTIONS.get(under, (ordinal(under), plural(ordinal(under))))
        said = f"{cardinal(over)} {one if over == '1' else many}"
    else:
        shares = int(over) + int(under) == 100  # an "80/20 rule"
        said = say_whole(over) + (" " if over == under or shares else " over ") + say_whole(under)
    return f"{cardinal(whole)} and {said}" if whole else said


@rule(DIGIT, r"(10+)s(?= of\b)")
def tens_of(match: re.Match[str]) -> str | None:
    """1000s of -> thousands of."""
    power_of_ten = {"10": "tens", "100": "hundreds", "1000": "thousands", "1000000": "millions"}.get(match[1])
    return power_of_ten or plural(cardinal(match[1]))


@figure(DIGIT, r"(\d{2,4})'?s(?![\w/'])")
def decade(match: re.Match[str]) -> str | None:
    """1990s -> nineteen nineties, 747s -> seven forty-sevens; 'for 45s' is a duration."""
    if len(match[1]) == 2 and led_by(match, _BEFORE_SECONDS):
        return None
    return plural(say_whole(match[1]))


@rule(DIGIT, r"(\d)'?s(?![\w/'])")
def plural_digit(match: re.Match[str]) -> str | None:
    """7s -> sevens; 'for 5s' is a duration."""
    if compiled(r"(?i)\b(?:for|takes?|took|after|within|every|about|only|last(?:s|ed)?|in|than|wait(?:ed)?|over)\s$"
                ).search(before(match, 12)):
        return None
    return plural(cardinal(match[1]))


@rule(DIGIT, r"(\d{1,2})(?:st|nd|rd|th) (cent|c|fl|ed|Fl|Ed)\.(?![A-Za-z0-9])")
def ordinal_and_noun(match: re.Match[str]) -> str:
    """'4th c.' -> fourth century, '3rd fl.' -> third floor, '2nd ed.' -> second edition."""
    return f"{ordinal(match[1])} {_AFTER_ORDINAL[match[2].lower()]}"


@figure(DIGIT, r"(\d[\d,]{0,40})(?:st|nd|rd|th|ST|ND|RD|TH)(s?)(?![A-Za-z0-9])")
def ordinal_figure(match: re.Match[str]) -> str:
    """21st -> twenty-first."""
    return as_ordinal(cardinal(match[1].replace(",", ""))) + (match[2] or "")


@rule(DIGIT, r"(\d{2,4})ers('s|')?(?![\w-])")
def members(match: re.Match[str]) -> str:
    """49ers -> forty-niners."""
    number = say_whole(match[1])
    return f"{number.removesuffix('e')}ers{match[2] or ''}"


@rule(DIGIT, r"(\d+)([xyz])(?![\w²³^])")
def unknown(match: re.Match[str]) -> str | None:
    """'f(x) = 2x' -> two X."""
    in_equation = compiled(r"(?:\)|\b[a-z]|\d) ?[=+−-] ?$").search(before(match, 5))
    return f"{cardinal(match[1])} {match[2].upper()}" if in_equation else None


@figure(DIGIT, rf"({NUMBER})(?:x|X|×)(?!\w)(?!\s?\d)")
def multiple(match: re.Match[str]) -> str | None:
    """3x -> three times; '2x - 4' is a product."""
    if re.match(r"\s?[-+=^²³<>]\s?[\da-z(]", after(match, 4)):
        return None
    return f"{say_amount(match[1])} time{'' if match[1] == '1' else 's'}"


@rule(DIGIT, r"(\d{1,3}(?:\.\d+)?)(?:k|K(?! (?!starts|begins|ends|runs|takes|finishes|goes|was|is|has)"
      r"[a-z]+s\b))(?![\w-])")
def distance_of_a_race(match: re.Match[str]) -> str | None:
    """'the 10k', 'ran a 5K' -> the ten K; 'the 40K users' are thousands."""
    if not compiled(r"(?i)\b(?:a|the|his|her|my|our|their|first|last|next|this|annual|ran|run|charity)\s$").search(
            before(match, 12)):
        return None
    return f"{say_amount(match[1])} K"


@figure(DIGIT, rf"({NUMBER})\s?(k|K|M|bn|mn|B|m(?= (?:people|users|copies|followers|views|subscribers)\b))(?![\w'-])")
def thousands(match: re.Match[str]) -> str | None:
    """40K -> forty thousand, 3M -> three million."""
    if " " in match[0] or word_before(match).lower() in NUMBERED:
        return None
    if match[2] == "K" and match[1].isdecimal() and len(match[1]) == 4:  # the color of a lamp, 2700K
        return f"{say_amount(match[1])} kelvin"
    if match[2] == "B" and near(match, r"\d+[ACD]\b", 16):  # "seats 12A and 12B"
        return None
    screen = compiled(r"\s?(?:run|race|walk|video|display|monitor|screen|tv|TV|marathon|resolution|Ultra)\b")
    if match[2] in "kK" and (screen.match(match.string, match.end()) or match[0] in ("4K", "8K") and
                             not compiled(r"\s[a-z]+s\b").match(match.string, match.end())):
        return f"{say_amount(match[1])} K"
    return f"{say_amount(match[1])} {MAGNITUDES[match[2].lower()]}"


@rule(DIGIT, r"(\d+)([A-Za-z]{1,2}|[A-Z]+|[a-z]+)(?![A-Za-z])")
def figure_with_letters(match: re.Match[str]) -> str | None:
    """7W -> seven W, 5yrs is left to the units."""
    letters = match[2]
    if letters in ("x", "X") and re.match(r"\d", after(match, 1)):
        return None
    spelled = len(letters) <= 2 or letters.isupper()
    number = hundreds(match[1]) if len(match[1]) == 3 and len(letters) == 1 else say_whole(match[1], years=False)
    return f"{number} {' '.join(letters.upper()) if spelled else letters.lower()}"


@rule(DIGIT, r"\d{3}(?!\d)")
def emergency_number(match: re.Match[str]) -> str | None:
    """'call 911' -> nine one one."""
    if match[0] in ("911", "999", "112", "988", "411", "311") and compiled(
            r"(?i)\b(?:call|dial)(?:ed|ing|s)?\s$").search(before(match, 10)):
        return spell_digits(match[0])
    return None


@rule(".", r"\.(\d{3})(?!\d)")
def batting_average(match: re.Match[str]) -> str | None:
    """'He batted .312' -> three twelve."""
    led = led_by(match, "batted|batting|hit|hits|hitting|average (?:of|is|was)|slugged|averaged")
    noun = compiled(r" (?:hitter|batting|average|percentage|season|clip)\b").match(match.string, match.end())
    return hundreds(match[1]) if led or noun else None


@figure(DIGIT + ".", NUMBER)
def plain_number(match: re.Match[str]) -> str:
    """1876 -> eighteen seventy-six, 1,234 -> one thousand two hundred thirty-four, 007 -> zero zero seven."""
    return say_number(match[0])


@rule("/", r"/([A-Za-z]+)(?:\.(?!\w))?(?![\w/])")
def per(match: re.Match[str]) -> str | None:
    """'2 times/day' -> two times per day, '$4/gal' -> four dollars per gallon."""
    if compiled(r"[$£€]\d[\d,.]*$").search(before(match, 16)) and match[1].islower() and match[1] not in UNITS:
        return "each" if match[1] == "ea" else f"per {match[1]}"
    amount = compiled(r"\d[\d,.]*\s?(?:[A-Za-z]+\s)?[A-Za-z]*$").search(before(match, 30))
    if not amount or match[1] == "bar" or match[1] not in PER_WORDS and match[1] not in UNITS:
        return None
    return f"per {UNITS[match[1]].one if match[1] in UNITS else match[1]}"
