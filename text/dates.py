"""Rules for dates and times: days, months, years, seasons, the clock."""
import re

from text.numbers import cardinal, ordinal, pairs, plural, say_whole, short_year, year
from text.rule import CAPITAL, DIGIT, LETTER, SMALL, after, before, compiled, figure, led_by, near, rule, word_after
from text.tables import CALENDAR, LETTERS_OF_DAYS, MONTHS, NOT_A_NOUN

MONTH = "|".join([*MONTHS, *(f"{month[:3]}\\.?" for month in MONTHS if month != "May"), r"Sept\.?"])
_WEEKDAYS = {short: name for short, name in CALENDAR.items() if name.endswith("day")}
_WEEKDAY = "|".join(sorted((day.title() for day in _WEEKDAYS), key=len, reverse=True))
_LETTER_OF_DAY = "(?:" + "|".join(sorted(LETTERS_OF_DAYS, key=len, reverse=True)) + ")"
_SCHEDULE = r"week|class|hours|open|office|remote|daily|meets|\d{1,2}(?::\d\d)? ?[ap]\.?m|\d:\d\d"
_MERIDIEM = r"(?:\s?([AaPp])(?:\.\s?[Mm]\.|[Mm]\b\.?))"
_CLEAR_MONTHS = frozenset("feb apr aug sep sept oct nov dec jul".split())  # those that are neither names nor words
_CLEAR_WEEKDAYS = frozenset("tue tues thu thur thurs fri weds".split())
_TIME_BEFORE = (
    r"(?i)\b(?:on|by|until|till|since|before|after|every|next|last|this|each|from|through|to|of|in|early|late|mid"
    r"|cob|eod|[ap]\.?m\.?|noon|night|morning|evening|afternoon|and|or|past|starting|ending|due|closed|open)\s$")
_DATE_BEFORE = (r"(?i)(?:\b(?:on|by|until|till|since|before|after|due|dated|date|through|thru|starting|starts|begins|"
                r"ends|effective|expires|deadline|birthday|(?:mon|tues|wednes|thurs|fri|satur|sun)day|"
                r"(?:mon|tues?|wed|thurs?|thu|fri|sat|sun)\.?),?|:)\s$")
_MOVED_BEFORE = r"(?i)\b(?:to|from|for|is|was|between|and|of|the)\s$"
_FRACTION_AFTER = r"\s(?:of|cups?|tsp|tbsp|inch|mile|hour|pound|lb|oz|the|full|empty|done)\b|[\"”]"
_UNTIL = r"\s(?:through|thru|until|til|till)\s"
_UNTIL_AFTER = rf"(?<=/\d\d){_UNTIL}\d|{_UNTIL}(?!1/[2-8]\b|3/[48]\b)\d"
_LAST_DAY = r"\s(?:to|and)\s\d{1,2}/(?!(?:[2-68]|10|12|16|20)\b)(?:[12]?\d|3[01])(?![\d/]|[.,]\d)"
_SHORT_NAME = r"(?:Mon|Tues?|Wed|Thurs?|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\."
_LISTED = rf"\b{_SHORT_NAME}[,;]? (?:and |or |& )?\||\|[,;]? (?:and |or |& )?{_SHORT_NAME}"  # "Jan., Feb., and Mar."
_FRACTION_DENOMINATORS = frozenset("2 3 4 5 6 8 10 12 16 20".split())


def month_name(written: str) -> str:
    """'Sept.' -> 'september'."""
    return next(month for month in MONTHS if month.startswith(written[:3])).lower()


def _calendar_date(year_: str, month: str, day: str) -> str | None:
    """Returns a date as words; None if there is no such month or day."""
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return None
    said = f"{MONTHS[int(month) - 1].lower()} {ordinal(day)}"
    return f"{said}, {year(year_) if len(year_) == 4 else short_year(year_)}"


@rule(DIGIT, r"(\d{4})([-/.])(\d\d)\2(\d\d)(?![\d/-])")
def year_first_date(match: re.Match[str]) -> str | None:
    """2024-11-30, 2021/08/17 -> november thirtieth, twenty twenty-four."""
    return _calendar_date(match[1], match[3], match[4])


@rule(DIGIT, r"(\d\d?)([-/.])(\d\d?)\2(\d{4})(?![\d/-]|\.\d)")
def year_last_date(match: re.Match[str]) -> str | None:
    """10-14-2022 -> october fourteenth, twenty twenty-two; the day first if it cannot be a month, or after dots."""
    first, second = (match[3], match[1]) if match[2] == "." else (match[1], match[3])
    return _calendar_date(match[4], first, second) or _calendar_date(match[4], second, first)


@rule(DIGIT, r"(\d\d?)/(\d\d?)/(\d\d)(?![\d/])")
def short_date(match: re.Match[str]) -> str | None:
    """5/3/76 -> may third, seventy-six."""
    return _calendar_date(match[3], match[1], match[2]) or _calendar_date(match[3], match[2], match[1])


@rule(DIGIT, r"9[-/]11(?![\d/-]|\.\d)")
def nine_eleven(match: re.Match[str]) -> str | None:
    """9-11 in 'the 9-11 attacks'; 9/11 with a slash everywhere but in a sum."""
    if "/" in match[0] and not re.match(r"\s(?:of|cup|inch)\b", after(match, 6)):
        return "nine eleven"
    attack = re.compile(r"(?i)[\s-](?:attack|terror|commission|memorial|museum|hijack|victim|surviv|respond|famil|"
                        r"conspir|traged|anniversar|rescue|era\b|world\b)")
    return "nine eleven" if attack.match(match.string, match.end()) else None


@rule(DIGIT, r"(\d\d?)/(\d\d?)(?![\d/]|[.,]\d|-\d)")
def month_and_day(match: re.Match[str]) -> str | None:
    """'on 6/30', 'moved to 10/3', 'Christmas is 12/25' -> december twenty-fifth."""
    month, day = int(match[1]), int(match[2])
    if not (1 <= month <= 12 and 1 <= day <= 31) or compiled(_FRACTION_AFTER).match(match.string, match.end()):
        return None
    if re.search(r"\d\s$", before(match, 2)):  # 1 1/2
        return None
    likely_fraction = month < day and match[2] in _FRACTION_DENOMINATORS
    ends = f"{_UNTIL_AFTER}|{_LAST_DAY}" if led_by(match, "from|between") else _UNTIL_AFTER
    sure = compiled(_DATE_BEFORE).search(before(match, 12)) or compiled(ends).match(match.string, match.end())
    if sure or not likely_fraction and (month >= day and compiled(_MOVED_BEFORE).search(before(match, 8)) or
                                        month < day and day not in (32, 100)):
        return f"{MONTHS[month - 1].lower()} {ordinal(match[2])}"
    return None


@rule(DIGIT, r"(\d\d?)/(\d\d?)\s?[-–]\s?(\d\d?)/(\d\d?)(?![\d/])")
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


@rule(CAPITAL, rf"({MONTH})\s?[-–]\s?({MONTH})(?![A-Za-z])(?:,? (\d{{4}})(?!\d))?")
def months(match: re.Match[str]) -> str:
    """Jan-Mar 2024 -> january to march twenty twenty-four."""
    return f"{month_name(match[1])} to {month_name(match[2])}" + (f" {year(match[3])}" if match[3] else "")


@rule(CAPITAL, rf"({MONTH}) '(\d\d)(?![\d'])")
def month_and_short_year(match: re.Match[str]) -> str:
    """Mar '24 -> march twenty twenty-four."""
    return f"{month_name(match[1])} {year(('20' if match[2] < '50' else '19') + match[2])}"


@rule(CAPITAL, r"([A-Z][a-z]{2,8})\.? (\d\d?)(?:st|nd|rd|th)?\s?[-–]\s?([A-Z][a-z]{2,8})\.? (\d\d?)(?:st|nd|rd|th)?"
               r"(?![\d:%/]|\.\d)(?:,? (\d{4})(?!\d))?")
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


@rule(CAPITAL, rf"({MONTH}) (\d\d?)(?:st|nd|rd|th)?(?![\d:%/]|\.\d|,\d{{3}})(?:\s?[-–]\s?(\d\d?)(?![\d:]))?"
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


@rule(CAPITAL, rf"(?:{_WEEKDAY})\.?(?:\s?[-–/&]\s?(?:{_WEEKDAY})\b\.?){{1,6}}(?![A-Za-z])")
def weekday_range(match: re.Match[str]) -> str:
    """Tue-Sat -> tuesday to saturday, Mon/Wed/Fri -> monday wednesday friday."""
    joints = {"/": "", "&": "and", "-": "to", "–": "to"}
    said = [joints.get(part) or _WEEKDAYS.get(part.lower(), "") for part in re.findall(r"[A-Za-z]+|[-–/&]", match[0])]
    return " ".join(filter(None, said))


@rule(CAPITAL, rf"{_LETTER_OF_DAY}(?:[-–/]{_LETTER_OF_DAY}){{1,4}}(?![\w-])")
def weekday_letters(match: re.Match[str]) -> str | None:
    """'Tu/Th 1:00-2:15', 'M-W this week' -> tuesday thursday, monday to wednesday."""
    parts = re.findall(r"[A-Za-z]+|[-–/]", match[0])
    sure = any(len(part) == 2 for part in parts) and len(parts) > 2
    if not sure and not near(match, _SCHEDULE, 30):
        return None
    return " ".join("to" if part in "-–" else LETTERS_OF_DAYS[part] for part in parts if part != "/")


@rule(CAPITAL, rf"({_WEEKDAY})(\.?)(?![A-Za-z'’])")
def weekday(match: re.Match[str]) -> str | None:
    """Wed., 'on Wed', 'Sun. May 3' -> sunday; not 'the sun sat' nor the name Fri."""
    low, text = match[1].lower(), match.string
    date_follows = compiled(rf",?\s(?:{MONTH}|\d{{1,2}}(?:[ap]m?\b)?)(?![a-z])").match(
        text, match.end())
    led = compiled(_TIME_BEFORE).search(before(match, 12)) is not None
    if after(match, 1) == ":" and compiled(r"(?:^|[.!?;\n]\s?)$").search(before(match, 3)):  # "Mon: legs. Tue: arms"
        return _WEEKDAYS[low]
    listed = match[2] and compiled(_LISTED).search(before(match, 12) + "|" + after(match, 12))
    if listed or low in _CLEAR_WEEKDAYS and (match[2] or led or date_follows) or date_follows or led and (
            match[2] or low == "wed" or not re.match(r"\s?[A-Za-z]", after(match, 2))):
        return _WEEKDAYS[low]
    return _WEEKDAYS[low] if match[2] and re.match(r"\s[a-z]|,", after(match, 2)) else None


@rule(SMALL, r"(mon|tues?|wed|thurs?|thu|fri|sat|sun)(?![\w'’.-])")
def weekday_in_small(match: re.Match[str]) -> str | None:
    """'free on sat?', 'next tues works' -> tuesday; not 'he sat on it'."""
    following, name = after(match, 12), match[1]
    part_of_day = compiled(r"\s(?:morning|afternoon|evening|night)\b").match(following)
    ends = compiled(r"\s?(?:$|[?!,;)\n]|\.(?:\s|$))|\s(?:at|around|works?|then|\d)").match(following) or part_of_day
    led = led_by(match, "on|by|next|this|until|till?|every|see (?:you|u|ya)|for|before|game|coming|free|busy|party|"
                 "plans|dinner|lunch|concert|practice|working|off|open|are (?:you|u)")
    sure = name in _CLEAR_WEEKDAYS if led else name not in ("sat", "sun") and part_of_day
    return _WEEKDAYS[name] if sure or led and ends else None


@rule(CAPITAL, r"(Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)(\.)?(?![A-Za-z'’])")
def month_alone(match: re.Match[str]) -> str | None:
    """'in Mar.' -> in march; not 'Jan and Art'."""
    led = compiled(_TIME_BEFORE).search(before(match, 12)) is not None
    ranged = re.match(r"\s?[-–]\s?[A-Z][a-z]{2}", after(match, 6)) or re.search(r"[A-Z][a-z]{2}\.?\s?[-–]\s?$",
                                                                                 before(match, 7))
    low = match[1].lower()
    listed = match[2] and compiled(_LISTED).search(before(match, 12) + "|" + after(match, 12))
    if ranged or listed or low in _CLEAR_MONTHS and (match[2] or led) or match[2] and led:
        return month_name(match[1])
    return None


@rule(DIGIT, r"10[1-9]\d(?!\d|[,.]\d)")
def early_year(match: re.Match[str]) -> str | None:
    """'In 1066 the Normans came', 'the year 1066' -> ten sixty-six."""
    if led_by(match, "year"):
        return pairs(match[0])
    following = after(match, 24)
    if not re.match(r"[.;:!?]|,\s|$", following) and word_after(match).lower() not in NOT_A_NOUN:
        return None
    return pairs(match[0]) if led_by(match, "in|since|by|until|year|before|after|of|from") else None


@rule(DIGIT, r"((?:1[5-9]|20)\d\d)([-–/])(\d\d)(?![\d/-]|[.,]\d)")
def season(match: re.Match[str]) -> str | None:
    """2003-04 -> two thousand three to oh four, 1998/99 -> nineteen ninety-eight to ninety-nine; 2025-08 is a month."""
    if match[2] == "-" and 1 <= int(match[3]) <= 12 and match[3] < match[1][2:]:
        return f"{MONTHS[int(match[3]) - 1].lower()} {year(match[1])}"
    if match[2] == "/" and int(match[1][2:]) + 1 != int(match[3]):
        return None
    last = year(str(int(match[1][:2]) + 1) + "00") if match[3] == "00" else short_year(match[3])
    return f"{year(match[1])} to {last}"


@figure(DIGIT, rf"([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?(?![\d:]|[.,]\d)(?:{_MERIDIEM}|([ap])(?![\w.]))?")
def clock(match: re.Match[str]) -> str | None:
    """10:30 a.m. -> ten thirty A M, 10:00 -> ten o'clock; not '60:40 split'."""
    hour, minute, second = match.groups()[:3]
    half = match[4] or match[5]
    if not half and not second and near(match, "ratio|odds|format|aspect|split|scale|screen", 20):
        return None
    said = cardinal(hour)
    if minute == "00" and not half and not second:
        said += " o'clock" if 0 < int(hour) <= 12 else " hundred"
    elif minute != "00":
        said += " " + ("oh " if minute[0] == "0" else "") + cardinal(minute)
    elif second and not half:
        said += " hour" if int(hour) == 1 else " hours"
    if second:
        said += f" and {cardinal(second)} second" + ("" if second == "01" else "s")
    return said + (f" {half.upper()} M" if half else "")


@figure(DIGIT, r"(\d{2,3}|\d(?=:\d\d\.\d)):([0-5]\d)(?:\.(\d{1,3}))?(?![\d:])")
def duration(match: re.Match[str]) -> str | None:
    """52:18 -> fifty-two eighteen; a ratio if both parts make a hundred."""
    if int(match[1]) + int(match[2]) == 100 or near(match, "ratio|odds|format|aspect|split|scale|mix", 20):
        return None
    said = f"{cardinal(match[1])} {'oh ' if match[2][0] == '0' else ''}{cardinal(match[2])}"
    return said + (f" point {' '.join(cardinal(digit) for digit in match[3])}" if match[3] else "")


@rule(DIGIT, r"(\d{1,3}) ?m(?:ins?)? ?(\d{1,2}) ?s(?:ecs?)?(?!\w)")
def minutes_and_seconds(match: re.Match[str]) -> str:
    """4m 12s -> four minutes twelve seconds."""
    return " ".join(f"{cardinal(part)} {name}{'' if int(part) == 1 else 's'}"
                    for part, name in zip(match.groups(), ("minute", "second")))


@rule(DIGIT, r"0:([0-5]\d)(?![\d:.])(?: ?(?:secs?|s)\b\.?)?")
def seconds_left(match: re.Match[str]) -> str | None:
    """'with 0:04 left' -> four seconds; 0:04 in the night is another matter."""
    if not compiled(r" (?:left|remaining|to (?:go|play)|on the (?:clock|timer))\b").match(match.string, match.end()):
        return None
    return f"{cardinal(match[1])} second{'' if match[1] == '01' else 's'}"


@rule(DIGIT, r"(\d{1,2}):([0-5]\d) (min(?:ute)?s?|h(?:ou)?rs?)\b")
def minutes_with_colon(match: re.Match[str]) -> str:
    """'in 5:30 minutes' -> five minutes thirty seconds, '2:00 hours' -> two hours."""
    units = ("minute", "second") if match[3][0] == "m" else ("hour", "minute")
    return " ".join(f"{cardinal(part)} {name}{'' if int(part) == 1 else 's'}"
                    for part, name in zip(match.groups(), units) if part != "00")


@rule(DIGIT, r"(0?[1-9]|1[0-2])/((?:19|20)\d\d)(?![\d/]|[.,]\d)")
def month_with_slash(match: re.Match[str]) -> str | None:
    """'Exp. 08/2026' -> august twenty twenty-six; 1/2000 of a second is a fraction."""
    if match[1] == "1" or compiled(r" (?:of|s|sec|second|inch)\b").match(match.string, match.end()):
        return None
    return f"{MONTHS[int(match[1]) - 1].lower()} {year(match[2])}"


@rule(DIGIT, r"(0[1-9]|1[0-2])/(\d\d)(?![\d/]|[.,]\d)")
def expiry(match: re.Match[str]) -> str | None:
    """'the card expires 09/27' -> oh nine, twenty-seven."""
    if not compiled(r"(?i)\b(?:card|exp|valid thru|cvv)\b[^.]{0,24}$").search(before(match)):
        return None
    month = f"oh {cardinal(match[1])}" if match[1][0] == "0" else cardinal(match[1])
    return f"{month}, {short_year(match[2])}"


@rule(DIGIT, r"(\d{1,3}) ?h(?:rs?)? ?(\d{1,2}) ?m(?:ins?)?(?: ?(\d{1,2}) ?s(?:ecs?)?)?(?!\w)")
def hours_and_minutes(match: re.Match[str]) -> str:
    """2h 45m -> two hours forty-five minutes."""
    return " ".join(f"{cardinal(part)} {name}{'' if int(part) == 1 else 's'}"
                    for part, name in zip(match.groups(), ("hour", "minute", "second")) if part)


@figure(DIGIT, rf"(1[0-2]|0?[1-9]){_MERIDIEM}(?!\w)")
def hour(match: re.Match[str]) -> str:
    """5pm -> five P M."""
    return f"{cardinal(match[1])} {match[2].upper()} M"


@rule(DIGIT, r"([01]\d|2[0-4])([0-5]\d)(?= ?(?:hrs?\b\.?|hours\b|h\b))(?: ?(?:hrs?\b\.?|h\b))?")
def military_time(match: re.Match[str]) -> str | None:
    """'at 1700 hrs' -> seventeen hundred hours, '0530 hours' -> zero five thirty hours; not '1500 hours of work'."""
    if match[1][0] != "0" and not compiled(r"(?i)\b(?:at|by|until|till|from|before|after|since|to|around|about)\s$"
                                           ).search(before(match, 8)):
        return None
    hours = f"zero {cardinal(match[1][1])}" if match[1][0] == "0" else cardinal(match[1])
    minutes = "hundred" if match[2] == "00" else f"{'zero ' if match[2][0] == '0' else ''}{cardinal(match[2])}"
    written_out = match[0].isdecimal()
    return f"{hours} {minutes}" + ("" if written_out else " hours")


@rule(DIGIT, r"(1[0-2]|0?[1-9])([ap]) ?[-–] ?(1[0-2]|0?[1-9])([ap])(?!\w)")
def hours_in_short(match: re.Match[str]) -> str:
    """7a-7p -> seven A M to seven P M."""
    return f"{cardinal(match[1])} {match[2].upper()} M to {cardinal(match[3])} {match[4].upper()} M"


@rule(LETTER, r"([Nn]oon|[Mm]idnight)(?: ?[-–] ?)(?=\d)")
def noon_to(match: re.Match[str]) -> str:
    """'Noon – 1 p.m.' -> noon to."""
    return f"{match[1].lower()} to"


@rule("-–", r"[-–](?=(?i:noon|midnight|dusk|sunset|close)\b)")
def to_noon(match: re.Match[str]) -> str | None:
    """'8am-noon' -> to."""
    return "to" if compiled(r"(?i)(?:\d|[ap]\.?m\.?) ?$").search(before(match, 5)) else None


@rule("'", r"'(\d\d)(s?)(?!\d)")
def year_with_apostrophe(match: re.Match[str]) -> str | None:
    """'99 -> ninety-nine, '08 -> oh eight, '90s -> nineties."""
    if match[2]:
        return plural(say_whole(match[1]))
    return short_year(match[1])
