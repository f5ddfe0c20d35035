"""Rules for dates: days, months, years, seasons, weekdays."""
import re

from text.numbers import cardinal, ordinal, pairs, plural, say_whole, short_year, year
from text.rule import (
    CAPITAL,
    DIGIT,
    SMALL,
    after,
    before,
    begins_line,
    compiled,
    figure,
    led_by,
    near,
    rule,
    word_after,
)
from text.tables import CALENDAR, LETTERS_OF_DAYS, MONTHS, NOT_A_NOUN

MONTH = "|".join([*MONTHS, *(f"{month[:3]}\\.?" for month in MONTHS if month != "May"), r"Sept\.?"])
_CLEAR_MONTHS = frozenset("feb apr aug sep sept oct nov dec jul".split())  # those that are neither names nor words
TIME_BEFORE = (
    r"(?i)\b(?:on|by|until|till|since|before|after|every|next|last|this|each|from|through|to|of|in|early|late|mid"
    r"|cob|eod|[ap]\.?m\.?|noon|night|morning|evening|afternoon|and|or|past|starting|ending|due|closed|open)\s$")
_DATE_BEFORE = (r"(?i)(?:\b(?:on|by|until|till|since|before|after|due|dated|date|through|thru|starting|avail\.|"
                r"available|starts|begins|ends|effective|expires|deadline|birthday|(?:mon|tues|wednes|thurs|fri|satur|sun)day|"
                r"(?:mon|tues?|wed|thurs?|thu|fri|sat|sun)\.?),?|:)\s$")
_CHANGES = ("(?:rose|risen|rises?|fell|falls?|fallen|grew|grown|up|down|dropped|increased|decreased|cut|shrank|reduced|"
            "improved) by")
_MOVED_BEFORE = r"(?i)\b(?:to|from|for|is|was|between|and|of|the)\s$"
_FRACTION_AFTER = r"\s(?:of|cups?|tsp|tbsp|inch|mile|hour|pound|lb|oz|the|full|empty|done)\b|[\"”]"
_EVENT_AFTER = r"\s(?:meetings?|call|deadline|appointment|webinar|session|hearing|newsletter|briefing)\b"
_UNTIL = r"\s(?:through|thru|until|til|till)\s"
_UNTIL_AFTER = rf"(?<=/\d\d){_UNTIL}\d|{_UNTIL}(?!1/[2-8]\b|3/[48]\b)\d"
_LAST_DAY = r"\s(?:to|and)\s\d{1,2}/(?!(?:[2-68]|10|12|16|20)\b)(?:[12]?\d|3[01])(?![\d/]|[.,]\d)"
_SHORT_NAME = r"(?:Mon|Tues?|Wed|Thurs?|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\."
LISTED = rf"\b{_SHORT_NAME}[,;]? (?:and |or |& )?\||\|[,;]? (?:and |or |& )?{_SHORT_NAME}"  # "Jan., Feb., and Mar."
_FRACTION_DENOMINATORS = frozenset("2 3 4 5 6 8 10 12 16 20".split())
_WEEKDAYS = {short: name for short, name in CALENDAR.items() if name.endswith("day")}
_WEEKDAY = "|".join(sorted((day.title() for day in _WEEKDAYS), key=len, reverse=True))
_LETTER_OF_DAY = "(?:" + "|".join(sorted(LETTERS_OF_DAYS, key=len, reverse=True)) + ")"
_SCHEDULE = r"week|class|hours|open|office|remote|daily|meets|\d{1,2}(?::\d\d)? ?[ap]\.?m|\d:\d\d"
_CLEAR_WEEKDAYS = frozenset("tue tues thu thur thurs fri weds".split())


def month_name(written: str) -> str:
    """'Sept.' -> 'september'."""
    return next(month for month in MONTHS if month.startswith(written[:3])).lower()


def _calendar_date(year_: str, month: str, day: str) -> str | None:
    """Returns a date as words; None if there is no such month or day."""
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return None
    said = f"{MONTHS[int(month) - 1].lower()} {ordinal(day)}"
    return f"{said}, {year(year_) if len(year_) == 4 else short_year(year_)}"


@rule(DIGIT, r"(\d{4}-\d\d-\d\d)T(\d\d):([0-5]\d)(?::([0-5]\d)(?:[.,]\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?(?!\w)", needs=":")
def date_and_time(match: re.Match[str]) -> str | None:
    """2024-05-01T10:22:33Z -> may first, twenty twenty-four, ten twenty-two and thirty-three seconds U T C."""
    date = _calendar_date(*match[1].split("-"))
    minute = "hundred" if match[3] == "00" else f"{'oh ' if match[3][0] == '0' else ''}{cardinal(match[3])}"
    seconds = f" and {cardinal(match[4])} seconds" if match[4] else ""
    return date and f"{date}, {cardinal(match[2])} {minute}{seconds}{' U T C' if match[5] == 'Z' else ''}"


@rule(DIGIT, r"(\d{4})([-/.])(\d\d)\2(\d\d)(?![\d/-])")
def year_first_date(match: re.Match[str]) -> str | None:
    """2024-11-30, 2021/08/17 -> november thirtieth, twenty twenty-four."""
    return _calendar_date(match[1], match[3], match[4])


@rule(DIGIT, r"(\d\d?)([-/.])(\d\d?)\2(\d{4})(?![\d/-]|\.\d)")
def year_last_date(match: re.Match[str]) -> str | None:
    """10-14-2022 -> october fourteenth, twenty twenty-two; the day first if it cannot be a month, or after dots."""
    first, second = (match[3], match[1]) if match[2] == "." else (match[1], match[3])
    return _calendar_date(match[4], first, second) or _calendar_date(match[4], second, first)


@rule(DIGIT, r"(\d\d?)/(\d\d?)/(\d\d)(?![\d/])", needs="/")
def short_date(match: re.Match[str]) -> str | None:
    """5/3/76 -> may third, seventy-six."""
    return _calendar_date(match[3], match[1], match[2]) or _calendar_date(match[3], match[2], match[1])


@rule(DIGIT, r"9[-/]11(?![\d/-]|\.\d)", needs="-/")
def nine_eleven(match: re.Match[str]) -> str | None:
    """9-11 in 'the 9-11 attacks'; 9/11 with a slash everywhere but in a sum."""
    if "/" in match[0] and not re.match(r"\s(?:of|cup|inch)\b", after(match, 6)):
        return "nine eleven"
    attack = re.compile(r"(?i)[\s-](?:attack|terror|commission|memorial|museum|hijack|victim|surviv|respond|famil|"
                        r"conspir|traged|anniversar|rescue|era\b|world\b)")
    return "nine eleven" if attack.match(match.string, match.end()) else None


@rule(DIGIT, r"(\d\d?)/(\d\d?)(?![\d/]|[.,]\d|-\d)", needs="/")
def month_and_day(match: re.Match[str]) -> str | None:
    """'on 6/30', 'moved to 10/3', 'Christmas is 12/25' -> december twenty-fifth."""
    month, day = int(match[1]), int(match[2])
    if not (1 <= month <= 12 and 1 <= day <= 31) or compiled(_FRACTION_AFTER).match(match.string, match.end()):
        return None
    if re.search(r"\d\s$", before(match, 2)):  # 1 1/2
        return None
    likely_fraction = month < day and match[2] in _FRACTION_DENOMINATORS
    ends = f"{_UNTIL_AFTER}|{_LAST_DAY}" if led_by(match, "from|between") else _UNTIL_AFTER
    is_change = led_by(match, _CHANGES) and match[2] in _FRACTION_DENOMINATORS  # "rose by 1/3"
    sure = not is_change and (compiled(_DATE_BEFORE).search(before(match, 12))
                              or compiled(rf"{ends}|{_EVENT_AFTER}").match(match.string, match.end()))
    if sure or not likely_fraction and (month >= day and compiled(_MOVED_BEFORE).search(before(match, 8)) or
                                        month < day and day not in (32, 100)):
        return f"{MONTHS[month - 1].lower()} {ordinal(match[2])}"
    return None


@rule(DIGIT, r"(\d\d?)/(\d\d?)\s?[-–]\s?(\d\d?)/(\d\d?)(?![\d/])", needs="/")
def days_with_slash(match: re.Match[str]) -> str | None:
    """'from 8/12-8/16' -> august twelfth to august sixteenth; not '1/2-3/4 cup'."""
    month, day, last_month, last_day = map(int, match.groups())
    if not (1 <= month <= 12 >= last_month >= 1 and 1 <= day <= 31 >= last_day >= 1) or compiled(
            _FRACTION_AFTER).match(match.string, match.end()):
        return None
    fractions = month < day and last_month < last_day and {match[2], match[4]} <= _FRACTION_DENOMINATORS
    if fractions and not compiled(_DATE_BEFORE).search(before(match, 12)) and not led_by(match, "from|between|dates"):
        return None
    return (f"{MONTHS[month - 1].lower()} {ordinal(match[2])} to "
            f"{MONTHS[last_month - 1].lower()} {ordinal(match[4])}")


@rule(CAPITAL, rf"({MONTH})\s?[-–]\s?({MONTH})(?![A-Za-z])(?:,? (\d{{4}})(?!\d))?", needs="-–")
def months(match: re.Match[str]) -> str:
    """Jan-Mar 2024 -> january to march twenty twenty-four."""
    return f"{month_name(match[1])} to {month_name(match[2])}" + (f" {year(match[3])}" if match[3] else "")


@rule(CAPITAL, rf"({MONTH}) '(\d\d)(?![\d'])", needs="'")
def month_and_short_year(match: re.Match[str]) -> str:
    """Mar '24 -> march twenty twenty-four."""
    return f"{month_name(match[1])} {year(('20' if match[2] < '50' else '19') + match[2])}"


@rule(CAPITAL, r"([A-Z][a-z]{2,8})\.? (\d\d?)(?:st|nd|rd|th)?\s?[-–]\s?([A-Z][a-z]{2,8})\.? (\d\d?)(?:st|nd|rd|th)?"
               r"(?![\d:%/]|\.\d)(?:,? (\d{4})(?!\d))?", needs="-–")
def days_of_months(match: re.Match[str]) -> str | None:
    """June 10-Aug. 2 -> june tenth to august second."""
    if not (compiled(MONTH).fullmatch(match[1]) and compiled(MONTH).fullmatch(match[3])):
        return None
    said = f"{month_name(match[1])} {ordinal(match[2])} to {month_name(match[3])} {ordinal(match[4])}"
    return said + (f", {year(match[5])}" if match[5] else "")


@rule(DIGIT, rf"(\d\d?)(?:st|nd|rd|th)?(?:\s|-)(?:of )?({MONTH})(?![a-z])(?:[,-]? ?(\d{{4}})(?!\d))?")
def day_before_month(match: re.Match[str]) -> str | None:
    """3 May 1876 -> the third of may eighteen seventy-six."""
    if not 1 <= int(match[1]) <= 31:
        return None
    if match[2].startswith("Mar") and match[2] not in ("Mar", "Mar.", "March"):
        return None
    article = "" if re.search(r"\b[Tt]he\s$", before(match, 5)) else "the "
    return f"{article}{ordinal(match[1])} of {month_name(match[2])}" + (f" {year(match[3])}" if match[3] else "")


@rule(CAPITAL, rf"({MONTH}) (\d\d?)(?:st|nd|rd|th)?(?![\d%/]|:\d|\.\d|,\d{{3}})(?:\s?[-–]\s?(\d\d?)(?![\d:]))?"
               r"(?:,? (\d{4})(?!\d))?")
def month_before_day(match: re.Match[str]) -> str | None:
    """May 3rd, 1876 -> may third, eighteen seventy-six."""
    if not 1 <= int(match[2]) <= 31:
        return None
    said = f"{month_name(match[1])} {ordinal(match[2])}"
    if match[3]:
        said += f" to {ordinal(match[3])}"
    return said + (f", {year(match[4])}" if match[4] else "")


@rule(CAPITAL, rf"({MONTH}),? (\d{{4}})(?!\d)")
def month_and_year(match: re.Match[str]) -> str:
    """Sept. 1939 -> september nineteen thirty-nine."""
    return f"{month_name(match[1])} {year(match[2])}"


@rule(CAPITAL, r"(Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)(\.)?(?![A-Za-z'’])")
def month_alone(match: re.Match[str]) -> str | None:
    """'in Mar.' -> in march; not 'Jan and Art'."""
    led = compiled(TIME_BEFORE).search(before(match, 12)) is not None
    ranged = re.match(r"\s?[-–]\s?[A-Z][a-z]{2}", after(match, 6)) or re.search(r"[A-Z][a-z]{2}\.?\s?[-–]\s?$",
                                                                                 before(match, 7))
    low = match[1].lower()
    listed = match[2] and compiled(LISTED).search(before(match, 12) + "|" + after(match, 12))
    if ranged or listed or low in _CLEAR_MONTHS and (match[2] or led) or match[2] and led:
        return month_name(match[1])
    return None


@rule(SMALL, r"(jan|feb|aug|sept|oct|nov|dec)(?![\w'.-])")
def month_in_small(match: re.Match[str]) -> str | None:
    """'its already dec' -> december."""
    led = led_by(match, "in|by|until|till|since|already|this|next|last|early|late|mid|before|after|of|for|from|to|thru")
    return month_name(match[1].title()) if led else None


@rule("-–", rf"[-–](?=\s?(?:\d{{1,2}} )?(?:{MONTH})\b)")
def until_another_date(match: re.Match[str]) -> str | None:
    """The dash of '7 November 1867 – 4 July 1934' -> to."""
    return "to" if compiled(r"\d{4} ?$").search(before(match, 6)) else None


@rule(DIGIT, r"10[1-9]\d(?!\d|[,.]\d)")
def early_year(match: re.Match[str]) -> str | None:
    """'In 1066 the Normans came', 'the year 1066' -> ten sixty-six."""
    if led_by(match, "year"):
        return pairs(match[0])
    following = after(match, 24)
    if not re.match(r"[.;:!?]|,\s|$", following) and word_after(match).lower() not in NOT_A_NOUN:
        return None
    return pairs(match[0]) if led_by(match, "in|since|by|until|year|before|after|of|from") else None


@rule(DIGIT, r"((?:1[5-9]|20)\d\d)([-–/])(\d\d)(?![\d/-]|[.,]\d)", needs="-/–")
def season(match: re.Match[str]) -> str | None:
    """2003-04 -> two thousand three to oh four, 1998/99 -> nineteen ninety-eight to ninety-nine; 2025-08 is a month."""
    if match[2] == "-" and 1 <= int(match[3]) <= 12 and match[3] < match[1][2:]:
        return f"{MONTHS[int(match[3]) - 1].lower()} {year(match[1])}"
    if match[2] == "/" and int(match[1][2:]) + 1 != int(match[3]):
        return None
    last = year(str(int(match[1][:2]) + 1) + "00") if match[3] == "00" else short_year(match[3])
    return f"{year(match[1])} to {last}"


@rule(DIGIT, r"(0?[1-9]|1[0-2])/((?:19|20)\d\d)(?![\d/]|[.,]\d)", needs="/")
def month_with_slash(match: re.Match[str]) -> str | None:
    """'Exp. 08/2026' -> august twenty twenty-six; 1/2000 of a second is a fraction."""
    if match[1] == "1" or compiled(r" (?:of|s|sec|second|inch)\b").match(match.string, match.end()):
        return None
    return f"{MONTHS[int(match[1]) - 1].lower()} {year(match[2])}"


@rule(DIGIT, r"(0[1-9]|1[0-2])/(\d\d)(?![\d/]|[.,]\d)", needs="/")
def expiry(match: re.Match[str]) -> str | None:
    """'the card expires 09/27' -> oh nine, twenty-seven."""
    if not compiled(r"(?i)\b(?:card|exp|valid thru|cvv)\b[^.]{0,24}$").search(before(match)):
        return None
    month = f"oh {cardinal(match[1])}" if match[1][0] == "0" else cardinal(match[1])
    return f"{month}, {short_year(match[2])}"


@figure("'", r"'(\d\d)(s?)(?!\d)")
def year_with_apostrophe(match: re.Match[str]) -> str | None:
    """'99 -> ninety-nine, '08 -> oh eight, '90s -> nineties."""
    if match[2]:
        return plural(say_whole(match[1]))
    return short_year(match[1])


@rule(CAPITAL, rf"(?:{_WEEKDAY})\.?(?:\s?[-–/&]\s?(?:{_WEEKDAY})\b\.?){{1,6}}(?![A-Za-z])", needs="&-/–")
def weekday_range(match: re.Match[str]) -> str:
    """Tue-Sat -> tuesday to saturday, Mon/Wed/Fri -> monday wednesday friday."""
    joints = {"/": "", "&": "and", "-": "to", "–": "to"}
    said = [joints.get(part) or _WEEKDAYS.get(part.lower(), "") for part in re.findall(r"[A-Za-z]+|[-–/&]", match[0])]
    return " ".join(filter(None, said))


@rule(CAPITAL, rf"{_LETTER_OF_DAY}(?:(?:[-–/]| & ){_LETTER_OF_DAY}){{1,4}}(?![\w-])", needs="&-/–")
def weekday_letters(match: re.Match[str]) -> str | None:
    """'Tu/Th 1:00-2:15', 'M-W this week' -> tuesday thursday, monday to wednesday."""
    parts = re.findall(r"[A-Za-z]+|[-–/&]", match[0])
    sure = any(len(part) == 2 for part in parts) and len(parts) > 2
    if not sure and not near(match, _SCHEDULE, 30):
        return None
    joints = {"-": "to", "–": "to", "&": "and"}
    return " ".join(joints.get(part) or LETTERS_OF_DAYS[part] for part in parts if part != "/")


@rule(CAPITAL, r"(Mo|Tu|We|Th|Fr|Sa|Su)(?= \d{1,2}(?::\d\d)?(?: ?[-–]|[ap]m?\b))")
def weekday_of_two_letters(match: re.Match[str]) -> str:
    """'Sa 10-4' -> saturday."""
    return next(name for name in _WEEKDAYS.values() if name.startswith(match[1].lower()))


@rule(CAPITAL, rf"({_WEEKDAY})(\.?)(?![A-Za-z'’])")
def weekday(match: re.Match[str]) -> str | None:
    """Wed., 'on Wed', 'Sun. May 3' -> sunday; not 'the sun sat' nor the name Fri."""
    low, text = match[1].lower(), match.string
    date_follows = compiled(rf",?\s(?:{MONTH}|\d{{1,2}}(?:[ap]m?\b)?)(?![a-z])").match(
        text, match.end())
    led = compiled(TIME_BEFORE).search(before(match, 12)) is not None
    if after(match, 1) == ":" and compiled(r"(?:^|[.!?;\n]\s?)$").search(before(match, 3)):  # "Mon: legs. Tue: arms"
        return _WEEKDAYS[low]
    if match[2] and begins_line(match) and re.match(r" [A-Z]", after(match, 2)):  # "Wed. Rain likely."
        return _WEEKDAYS[low]
    if compiled(rf", (?:and |& )?(?:{_WEEKDAY})\b").match(text, match.end()):  # "Mon, Wed & Fri"
        return _WEEKDAYS[low]
    listed = match[2] and compiled(LISTED).search(before(match, 12) + "|" + after(match, 12))
    if listed or low in _CLEAR_WEEKDAYS and (match[2] or led or date_follows) or date_follows or led and (
            match[2] or low == "wed" or not re.match(r"\s?[A-Za-z]", after(match, 2))):
        return _WEEKDAYS[low]
    return _WEEKDAYS[low] if match[2] and re.match(r"\s[a-z]|,", after(match, 2)) else None


@rule(SMALL, r"(mon|tues?|wed|thurs?|thu|fri|sat|sun)(?![\w'’.-])")
def weekday_in_small(match: re.Match[str]) -> str | None:
    """'free on sat?', 'next tues works' -> tuesday; not 'he sat on it'."""
    following, name = after(match, 12), match[1]
    part_of_day = compiled(r"\s(?:morning|afternoon|evening|night|nite)\b").match(following)
    ends = compiled(r"\s?(?:$|[?!,;)\n]|\.(?:\s|$))|\s(?:at|around|works?|then|\d)").match(following) or part_of_day
    led = led_by(match, "on|by|next|this|until|till?|every|see (?:you|u|ya)|for|before|game|coming|free|busy|party|"
                 "plans|dinner|lunch|concert|practice|working|off|open|are (?:you|u)")
    if name in ("tue", "tues", "thu", "thur", "thurs", "fri"):
        return _WEEKDAYS[name]
    sure = name in _CLEAR_WEEKDAYS if led else name != "sun" and part_of_day
    return _WEEKDAYS[name] if sure or led and ends else None
