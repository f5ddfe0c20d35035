"""Rules for the time: the clock, hours, lengths of time."""
import re

from text.numbers import cardinal, spell_digits
from text.rule import DIGIT, LETTER, before, compiled, figure, led_by, near, rule

_MERIDIEM = r"(?:\s?([AaPp])(?:\.\s?[Mm]\.|[Mm]\b\.?))"
_DAY = r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?"
_TIME_FOLLOWS = (rf"(?i) (?:(?:this|every|each|tomorrow|yesterday|on) (?:morning|afternoon|evening|night|day|{_DAY})|"
                 rf"in the (?:morning|afternoon|evening)|today|tomorrow|yesterday|tonight|sharp|GMT|UTC|{_DAY})\b")
_DEPARTURE = r"trains?|bus(?:es)?|ferry|flights?"
# Things that have a time of day, and what they do at it.
_HAS_A_TIME = (rf"(?:{_DEPARTURE}|meetings?|class(?:es)?|lessons?|appointments?|dinner|lunch|breakfast|alarm|leaves?|"
               r"left|arriv(?:es?|ed|ing)|departs?|departed|starts?|started|begins?|began|meet|met|lands?|landed|wakes?|"
               r"woke|wake up|get up|got up|opens|closes|due)\b")
_BEFORE_A_TIME = r"(?i)\b(?:at|by|until|till|from|before|after|\d\d?\.[0-5]\d (?:to|and)) $"
_NO_UNIT_FOLLOWS = (r"(?=[.,;!?)]|$| (?:and|or|to|but|when|so|for|with|because|from|in|on|at|by|until|till|if|while|"
                    r"every)\b)")
_IS_AN_AMOUNT = (r"(?:shares?|stocks?|ind(?:ex|ices)|points?|rates?|yields?|dollars?|euros?|yen|tickets?|fees?|costs?|"
                 r"wages?|odds|p[hH]|percent|ratio|values?|levels?)\b|pric|trad|version|degrees|pay|averag|scor")


def _minutes(digits: str) -> str:
    """Returns the minutes of a time of day: '05' -> oh five, '15' -> fifteen."""
    return f"{'oh ' if digits[0] == '0' else ''}{cardinal(digits)}"


@rule(DIGIT, r"(\d{1,2})/(\d{1,2})c(?!\w)", needs="/")
def hour_and_central_hour(match: re.Match[str]) -> str:
    """'Sundays at 9/8c' -> nine eight central."""
    return f"{cardinal(match[1])} {cardinal(match[2])} central"


@rule(DIGIT, r"(\d\d?):([0-5]\d):([0-5]\d)[.,](\d{1,6})(?![\d:])", needs=":")
def time_with_fraction(match: re.Match[str]) -> str:
    """'10:42:13.882' -> ten forty-two and thirteen point eight eight two seconds."""
    hour, minute, second, part = match.groups()
    minutes = _minutes(minute) if minute != "00" else "hundred"
    return f"{cardinal(hour)} {minutes} and {cardinal(second)} point {spell_digits(part)} seconds"


@rule(DIGIT, r"(\d\d?):([0-5]\d):([0-5]\d)(?![\d:]|[.,]\d)", needs=":")
def time_elapsed(match: re.Match[str]) -> str | None:
    """'Time elapsed: 00:03:27' -> three minutes twenty-seven seconds."""
    if not near(match, "elapsed|duration|length|run ?time|remaining|took|total|timer|uptime|left", 24):
        return None
    said = [f"{cardinal(part)} {name}{'' if int(part) == 1 else 's'}"
            for part, name in zip(match.groups(), ("hour", "minute", "second")) if int(part)]
    return " ".join(said) or "zero seconds"


@figure(DIGIT, rf"([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?(?![\d:]|[.,]\d)(?:{_MERIDIEM}|([ap])(?![\w.]))?", needs=":")
def clock(match: re.Match[str]) -> str | None:
    """10:30 a.m. -> ten thirty A M, 10:00 -> ten o'clock; not '60:40 split'."""
    hour, minute, second = match.groups()[:3]
    half = match[4] or match[5]
    if second == "00" and compiled(r"(?i)\b(?:at|by|until|from) $").search(before(match, 6)):  # "at 08:00:00"
        second = None
    if not half and not second and near(match, "ratio|odds|format|aspect|split|scale|screen", 20):
        return None
    said = cardinal(hour)
    if minute == "00" and not half and not second:
        said += " o'clock" if 0 < int(hour) <= 12 else " hundred"
    elif minute != "00":
        said += " " + _minutes(minute)
    elif second and not half:
        said += " hour" if int(hour) == 1 else " hours"
    if second:
        said += f" and {cardinal(second)} second" + ("" if second == "01" else "s")
    return said + (f" {half.upper()} M" if half else "")


@figure(DIGIT, rf"([01]?\d|2[0-3])\.([0-5]\d)(?![\d:%]|\.\d){_MERIDIEM}?(?!\w)")
def clock_with_dot(match: re.Match[str]) -> str | None:
    """'at 6.30 pm', 'leaves at 11.15', 'at 7.05 this morning' -> seven oh five; not 'closed at 11.15 points'."""
    if not match[3] and not _is_dotted_time(match):
        return None
    said = cardinal(match[1])
    if match[2] != "00":
        said += " " + _minutes(match[2])
    elif not match[3]:
        said += " o'clock" if 0 < int(match[1]) <= 12 else " hundred"
    return said + (f" {match[3].upper()} M" if match[3] else "")


def _is_dotted_time(match: re.Match[str]) -> bool:
    """True if the words around say that a figure with a dot is a time of day."""
    if near(match, _IS_AN_AMOUNT):
        return False
    if led_by(match, "the") and compiled(rf" (?:{_DEPARTURE})\b").match(match.string, match.end()):
        return True
    if not compiled(_BEFORE_A_TIME).search(before(match, 10)):
        return False
    if compiled(_TIME_FOLLOWS).match(match.string, match.end()):
        return True
    return (match[2][1] in "05" and compiled(_NO_UNIT_FOLLOWS).match(match.string, match.end()) is not None
            and compiled(rf"(?i)\b{_HAS_A_TIME}").search(before(match, 36)) is not None)


@figure(DIGIT, r"(\d{2,3}|\d(?=:\d\d\.\d)):([0-5]\d)(?:\.(\d{1,3}))?(?![\d:])", needs=":")
def duration(match: re.Match[str]) -> str | None:
    """52:18 -> fifty-two eighteen; a ratio if both parts make a hundred."""
    if int(match[1]) + int(match[2]) == 100 or near(match, "ratio|odds|format|aspect|split|scale|mix", 20):
        return None
    said = f"{cardinal(match[1])} {_minutes(match[2])}"
    return said + (f" point {' '.join(cardinal(digit) for digit in match[3])}" if match[3] else "")


@rule(DIGIT, r"(\d{1,3}) ?m(?:ins?)? ?(\d{1,2}) ?s(?:ecs?)?(?!\w)")
def minutes_and_seconds(match: re.Match[str]) -> str:
    """4m 12s -> four minutes twelve seconds."""
    return " ".join(f"{cardinal(part)} {name}{'' if int(part) == 1 else 's'}"
                    for part, name in zip(match.groups(), ("minute", "second")))


@rule(DIGIT, r"0:([0-5]\d)(?![\d:.])(?: ?(?:secs?|s)\b\.?)?", needs=":")
def seconds_left(match: re.Match[str]) -> str | None:
    """'with 0:04 left' -> four seconds; 0:04 in the night is another matter."""
    if not compiled(r" (?:left|remaining|to (?:go|play)|on the (?:clock|timer))\b").match(match.string, match.end()):
        return None
    return f"{cardinal(match[1])} second{'' if match[1] == '01' else 's'}"


@rule(DIGIT, r"(\d{1,2}):([0-5]\d) (min(?:ute)?s?|h(?:ou)?rs?)\b", needs=":")
def minutes_with_colon(match: re.Match[str]) -> str:
    """'in 5:30 minutes' -> five minutes thirty seconds, '2:00 hours' -> two hours."""
    units = ("minute", "second") if match[3][0] == "m" else ("hour", "minute")
    return " ".join(f"{cardinal(part)} {name}{'' if int(part) == 1 else 's'}"
                    for part, name in zip(match.groups(), units) if part != "00")


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


@rule(DIGIT, r"(1[0-2]|0?[1-9])([ap]) ?[-–] ?(1[0-2]|0?[1-9])([ap])(?!\w)", needs="-–")
def hours_in_short(match: re.Match[str]) -> str:
    """7a-7p -> seven A M to seven P M."""
    return f"{cardinal(match[1])} {match[2].upper()} M to {cardinal(match[3])} {match[4].upper()} M"


@rule(LETTER, r"([Nn]oon|[Mm]idnight)(?: ?[-–] ?)(?=\d)", needs="-–")
def noon_to(match: re.Match[str]) -> str:
    """'Noon – 1 p.m.' -> noon to."""
    return f"{match[1].lower()} to"


@rule("-–", r"[-–](?=(?i:noon|midnight|dusk|sunset|close)\b)")
def to_noon(match: re.Match[str]) -> str | None:
    """'8am-noon' -> to."""
    return "to" if compiled(r"(?i)(?:\d|[ap]\.?m\.?) ?$").search(before(match, 5)) else None
