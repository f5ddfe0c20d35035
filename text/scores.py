"""Rules for the records of teams, and for how tall a player is."""
import re

from text.numbers import cardinal
from text.rule import DIGIT, before, compiled, led_by, near, rule

_IN_GAME = ("at|vs|host|hosted|visit|beat|face|play|against|defeated|improve[sd]?|dropped|have|has|will|scored|lost|"
            "won")


@rule(DIGIT, r"([4-7])-(\d|1[01])(?=,? \d{3}[ -]?(?:pounds?|lbs?)\b)")
def height_of_player(match: re.Match[str]) -> str:
    """'He is 6-2, 210 pounds' -> six two."""
    return f"{cardinal(match[1])} {cardinal(match[2])}"


@rule(DIGIT, r"(\d{1,2})-(\d{1,2})(?:-(\d{1,2}))?(?=\)|, \d+-\d|(?: [A-Z][\w-]+){1,2}\))")
def record_in_brackets(match: re.Match[str]) -> str | None:
    """'Bears (5-2) at Packers (4-3)' -> five and two."""
    if not compiled(r"(?:[A-Z][a-z]+|\d-\d+) \((?:\d+-\d+(?:-\d+)?, )?$").search(before(match, 24)) or not near(
            match, _IN_GAME, 30):
        return None
    return " and ".join(cardinal(part) for part in match.groups() if part)


@rule(DIGIT, r"(\d{1,3})-(\d{1,3})-(\d{1,3})(?![\w/-])")
def record_of_games(match: re.Match[str]) -> str | None:
    """12-4-2 -> twelve four and two."""
    if match[1][0] == "0":
        return None
    counts_down = abs(int(match[1]) - int(match[2])) == 1 and int(match[2]) - int(match[1]) == int(match[3]) - int(
        match[2])  # "3-2-1", "1-2-3"
    return f"{cardinal(match[1])} {cardinal(match[2])} {'' if counts_down else 'and '}{cardinal(match[3])}"


@rule(DIGIT, r"(\d{1,3})-(\d{1,3})(?= (?:(?:this|last) (?:year|season)|on the (?:year|season)|overall|at home)\b)")
def record_of_season(match: re.Match[str]) -> str | None:
    """'The team is 9-3 this year' -> nine and three; 'lost 4-0 at home' is the score of a game."""
    if led_by(match, "won|lost|beat|drew|win|loss|victory"):
        return None
    return f"{cardinal(match[1])} and {cardinal(match[2])}"


@rule(DIGIT, r"(\d{1,2})-(\d{1,2})(?! (?:up|down|ahead|behind|to|against|on|in favor|favou?rites?)\b)(?![\d/-])")
def record_of_team(match: re.Match[str]) -> str | None:
    """'The Packers are 8-3', 'improved to 8-3' -> eight and three."""
    of_season = compiled(r" (?:start|record|season|finish|mark)\b").match(match.string, match.end())
    if near(match, "odds|vote|score|ages|pages", 40) or not (of_season or led_by(
            match, "are|went|record (?:of|is|was)|improve[sd]? to|fell to|dropped to")):
        return None
    return f"{cardinal(match[1])} and {cardinal(match[2])}"
