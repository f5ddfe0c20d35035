"""Rules for weekdays: their abbreviations and letters, ranges of them."""
import re

from text.dates import LISTED, MONTH, TIME_BEFORE
from text.rule import CAPITAL, SMALL, after, before, begins_line, compiled, led_by, near, rule
from text.tables import CALENDAR, LETTERS_OF_DAYS

_WEEKDAYS = {short: name for short, name in CALENDAR.items() if name.endswith("day")}
_WEEKDAY = "|".join(sorted((day.title() for day in _WEEKDAYS), key=len, reverse=True))
_LETTER_OF_DAY = "(?:" + "|".join(sorted(LETTERS_OF_DAYS, key=len, reverse=True)) + ")"
_SCHEDULE = r"week|class|hours|open|office|remote|daily|meets|\d{1,2}(?::\d\d)? ?[ap]\.?m|\d:\d\d"
_CLEAR_WEEKDAYS = frozenset("tue tues thu thur thurs fri weds".split())


@rule(CAPITAL, rf"(?:{_WEEKDAY})\.?(?:\s?[-–/&]\s?(?:{_WEEKDAY})\b\.?){{1,6}}(?![A-Za-z])")
def weekday_range(match: re.Match[str]) -> str:
    """Tue-Sat -> tuesday to saturday, Mon/Wed/Fri -> monday wednesday friday."""
    joints = {"/": "", "&": "and", "-": "to", "–": "to"}
    said = [joints.get(part) or _WEEKDAYS.get(part.lower(), "") for part in re.findall(r"[A-Za-z]+|[-–/&]", match[0])]
    return " ".join(filter(None, said))


@rule(CAPITAL, rf"{_LETTER_OF_DAY}(?:(?:[-–/]| & ){_LETTER_OF_DAY}){{1,4}}(?![\w-])")
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
