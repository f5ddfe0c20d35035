"""Rules for medicines: how often, how much, how long."""
import re

from text.figures import NUMBER
from text.numbers import cardinal, say_amount
from text.rule import DIGIT, LETTER, SMALL, before, compiled, rule
from text.tables import DOSES, UNITS, Unit

_DOSE_BEFORE = (r"\d\s?(?:mg|mcg|g|ml|mL|tabs?|tablets?|pills?|drops|units|caps?|capsules?)\s"
                r"(?:\w+\s){0,2}$")


@rule(LETTER, r"(?:q(\d{1,2}(?:-\d{1,2})?)(h|hr|hrs|d)|([A-Za-z]{2,3}(?!\.[A-Za-z])|(?:[a-z]\.){2,3}))(?![A-Za-z0-9])")
def dose(match: re.Match[str]) -> str | None:
    """q6h -> every six hours; 'bid' only after a dose."""
    if match[1]:
        often = " to ".join(map(cardinal, match[1].split("-")))
        return f"every {often} {'days' if match[2] == 'd' else 'hours'}"
    word = match[3].lower()
    if word not in DOSES or match[3] not in (word, word.upper()):
        return None
    unsure = word in ("bid", "po") or match[3].isupper()
    return DOSES[word] if not unsure or compiled(_DOSE_BEFORE).search(before(match, 32)) else None


@rule(DIGIT, rf"({NUMBER}) ?(mg|mcg|g|units?|IU) ?/ ?({NUMBER})? ?(mL|ml|L|tablet|capsule|dose|puff)(?![A-Za-z/])",
      needs="/")
def strength(match: re.Match[str]) -> str:
    """25mg/5mL -> twenty-five milligrams per five milliliters."""
    return f"{_say_amount_of(match[1], match[2])} per {_say_amount_of(match[3], match[4])}"


def _say_amount_of(number: str | None, unit: str) -> str:
    """('25', 'mg') -> 'twenty-five milligrams', (None, 'mL') -> 'milliliter'."""
    one = unit.removesuffix("s")
    names = UNITS.get(unit) or Unit(one, one + "s")
    return f"{say_amount(number)} {names.one if number == '1' else names.many}" if number else names.one


@rule(SMALL, r"x ?(\d{1,3}) ?(days?|d|weeks?|wks?)(?![A-Za-z])")
def days_of_a_dose(match: re.Match[str]) -> str | None:
    """'twice daily x 10 days' -> for ten days; not '4 x 3 days'."""
    if re.search(r"\d ?$", before(match, 2)):
        return None
    name = "week" if match[2][0] == "w" else "day"
    return f"for {cardinal(match[1])} {name}{'' if match[1] == '1' else 's'}"
