"""Rules for places: states, postal codes, parts of the compass, roads, houses, and numbers of rooms and courses."""
import re

from text.numbers import cardinal, hundreds, pairs, say_whole, spell_digits, year
from text.rule import CAPITAL, DIGIT, after, before, begins_line, compiled, led_by, near, rule
from text.tables import DIRECTIONS, NEVER_BEFORE_STATE, NUMBERED_THINGS, PROVINCES, STATES, STATES_WITH_STOP, SUBJECTS

_STREETS = (r"(?:St|Street|Ave|Avenue|Rd|Road|Blvd|Boulevard|Dr|Drive|Ln|Lane|Pl|Place|Ct|Court|Way|Pkwy|Hwy|Ter|Sq|"
            r"Terrace|Parkway|Highway|Broadway|Square)\b")
_SUBJECTS = "|".join(sorted(SUBJECTS))
_FREEWAY = "traffic|freeway|drive|drove|exit|lanes?|crash"
_HAS_NUMBER = r"flight|flight [A-Z]{2}|room|rm\.?|suite|ste\.?|apt\.?|apartment|unit|train|bus|box|exit|channel|hall"
_STATUS = r"(?i)\s(?:not found|forbidden|unauthorized|internal server|bad gateway|bad request|service unavail)"
_TRAFFIC = "traffic|highway|road|drive|drove|exit|lanes?|crash|north|south|east|west|take|turn|miles"
_STATE_NAMES = "|".join(name.title() for name in sorted(set(STATES.values())) if len(name) > 3)
_STATE_BEFORE = rf", (?:{_STATE_NAMES}) $"
_ZIP_BEFORE = (r"(?i:\b(?:zip|postal|post|area)\s?codes?\b).{0,14}$|\b(?i:zip)\b.{0,8}$|, [A-Z]{2} $|"
               rf"[A-Za-z] (?:{'|'.join(STATES)}) $|, (?:[A-Z]\. ?[A-Z]|{'|'.join(STATES_WITH_STOP)})\. $")
_PLACE_BEFORE = r"(^|[^A-Za-z\s]|\b[A-Za-z]+)\s?((?:[A-Z][A-Za-z.'-]+\s){0,3}[A-Z][a-z.'-]+), $"
_DOCTOR_BEFORE = r"\bDrs?\. (?:[A-Z][A-Za-z.'-]*,? ){1,4}$"


@rule(DIGIT, r"\d{5}-\d{4}(?![\d-])", needs="-")
def zip_plus_four(match: re.Match[str]) -> str:
    """48226-3519, digit by digit."""
    return spell_digits(match[0].replace("-", ""))


@rule(DIGIT, r"\d{5}(?![\d,.-]*\d)")
def zip_code(match: re.Match[str]) -> str | None:
    """'zip code 60614', digit by digit."""
    town = before(match, 2) == ", " and compiled(r" [A-Z][a-z]+(?:[,.;]|$)").match(match.string, match.end())
    state_name = compiled(_STATE_BEFORE).search(before(match, 20))
    counts = re.match(r" (?:[a-z]+s|people)\b", after(match, 20))
    sure = town or state_name and not counts
    return spell_digits(match[0]) if sure or compiled(_ZIP_BEFORE).search(before(match, 32)) else None


@rule(CAPITAL, r"([A-Z]{2})(?= (\d{5})\b|[.,;:)!?]|\s*$|\s[a-z])")
def state(match: re.Match[str]) -> str | None:
    """'Salem, OR 97312', 'in Augusta, ME.' -> maine; not 'Well, OK.'"""
    if match[1] not in STATES or match[1] in ("MD", "PA", "DO") and compiled(_DOCTOR_BEFORE).search(before(match, 50)):
        return None
    town = match[2] and compiled(r"([A-Z][A-Za-z]+) $").search(before(match, 20))  # "AUSTIN TX 78701"
    if town and not (match[1] == "ID" and town[1].lower() in NUMBERED_THINGS):  # "Job ID 58213"
        return STATES[match[1]]
    place = compiled(_PLACE_BEFORE).search(before(match, 50))
    if not place or place[2].lower() in NEVER_BEFORE_STATE:
        return None
    is_word = match[1] in ("OK", "HI", "OH", "ME", "IN", "OR", "ID", "PA", "MA", "LA")
    led = place[1][-1:].islower() or " " in place[2] or match.end() == len(match.string.rstrip())
    if is_word and not match[2] and not (led or match[1] in ("ID", "OR", "ME") and not place[1]):
        return None
    return STATES[match[1]]


@rule(CAPITAL, r"([A-Z]{2})(?= [A-Z]\d[A-Z] ?\d[A-Z]\d|[.,;)]|\s*$)")
def province_of_canada(match: re.Match[str]) -> str | None:
    """'Toronto, ON M5H 2N2' -> ontario; not 'turn it ON.'"""
    province = PROVINCES.get(match[1])
    return province if province and compiled(_PLACE_BEFORE).search(before(match, 50)) else None


@rule(CAPITAL, r"([A-Z][A-Za-z]{1,5})\.")
def state_with_stop(match: re.Match[str]) -> str | None:
    """'Gary, Ind.' -> gary, indiana."""
    return STATES_WITH_STOP.get(match[1]) if compiled(r"[A-Z][a-z]+, $").search(before(match, 20)) else None


@rule(CAPITAL, r"([NSRW])\. ?([A-Z])\.(?![A-Za-z])")
def state_with_stops(match: re.Match[str]) -> str | None:
    """'Fargo, N.D.' -> north dakota."""
    return STATES.get(match[1] + match[2]) if compiled(r"[A-Z][a-z]+, $").search(before(match, 20)) else None


@rule(CAPITAL, r"([DRI])-([A-Z][A-Za-z]{1,5})\b\.?", needs="-")
def party_and_state(match: re.Match[str]) -> str | None:
    """'Rep. Lee, D-Calif.' -> D california."""
    state = STATES.get(match[2]) or STATES_WITH_STOP.get(match[2])
    return f"{match[1]} {state}" if state else None


@rule(CAPITAL, r"([NSEW]|NE|NW|SE|SW)(\.?)(?= )")
def street_direction(match: re.Match[str]) -> str | None:
    """'118 W. 72nd St.' -> west."""
    name = compiled(rf" (?:\d+(?:st|nd|rd|th)\b|(?:[A-Z][a-z']+ ){{1,2}}{_STREETS}|[A-Z][a-z]+ {_STREETS})")
    numbered = before(match, 2)[:1].isdecimal() and compiled(r" (?:[A-Z][a-z]+|\d+(?:st|nd|rd|th)) ").match(
        match.string, match.end())
    return DIRECTIONS[match[1].lower()] if name.match(match.string, match.end()) or match[2] and numbered else None


@rule(CAPITAL, r"([NS][EW]?|[EW])(?![A-Za-z'.])")
def compass(match: re.Match[str]) -> str | None:
    """'winds NW at 9 mph', '12 mi. SW of Ames' -> southwest."""
    of = re.match(r" of\b", after(match, 4))
    led = led_by(match, r"miles|mi\.?|km|blocks" if of else "moving|heading|headed|facing|winds?|from the|to the|the")
    region = match[0] in ("SE", "SW", "NW") and re.match(r" (?:[A-Z][a-z]|winds?\b)", after(match, 6))  # "SE Asia"
    if len(match[0]) == 1 and led_by(match, "go|drive|head|turn|continue|walk|travel|proceed"):  # "go N on Main St."
        return DIRECTIONS[match[1].lower()]
    is_name = len(match[0]) == 1 and not of or re.match(r" [A-Z]", after(match, 2))
    return DIRECTIONS[match[1].lower()] if region or (led or of and len(match[0]) > 1) and not is_name else None


@rule(CAPITAL, r"(I|US|SR|CR|Hwy|Highway|Route|Rte)\.?[- ](\d{1,3})(?: ([NSEW])(?![A-Za-z'])(?!\.[A-Za-z]))?(?!\d)")
def road_and_direction(match: re.Match[str]) -> str | None:
    """I-78 W -> I seventy-eight west, 'SR 520' -> state route five twenty."""
    road, number, direction = match.groups()
    name = {"Hwy": "highway", "Rte": "route", "SR": "state route", "CR": "county road"}.get(
        road, road.lower() if len(road) > 2 else " ".join(road))
    if not direction and road not in ("SR", "CR") or road == "CR" and not near(match, "roads?|exit|north|south|east"):
        return None
    said = f"{name} {hundreds(number) if len(number) == 3 else cardinal(number)}"
    return f"{said} {DIRECTIONS[direction.lower()]}" if direction else said


@rule(CAPITAL, r"(U\.?S\.?|State Route|County Road)[ -](\d{3})(?!\d|,\d)")
def highway(match: re.Match[str]) -> str | None:
    """'Take U.S. 101 south' -> U S one oh one."""
    if before(match, 2).strip().isdecimal() or not near(match, _TRAFFIC, 30):
        return None
    return f"{'U S' if match[1][0] == 'U' else match[1].lower()} {hundreds(match[2])}"


@rule(DIGIT, r"\d{4}(?![\d,.:/-]*\d|[A-Za-z])")
def number_of_a_room(match: re.Match[str]) -> str | None:
    """'flight 2214', 'Suite 2400', 'Room 2005' -> twenty-two fourteen, twenty-four hundred, twenty oh five."""
    return pairs(match[0]) if led_by(match, _HAS_NUMBER) and match[0][1:] != "000" and match[0][0] != "0" else None


@rule(CAPITAL, r"(N\.?[EW]\.?|S\.?[EW]\.?)(?![A-Za-z])")
def street_quarter(match: re.Match[str]) -> str | None:
    """'Massachusetts Ave. NW' -> northwest."""
    street = compiled(rf"\b{_STREETS}\.?,? $").search(before(match, 12))
    return DIRECTIONS[match[1].replace(".", "").lower()] if street else None


@rule(CAPITAL, r"([NSEW])\.?(?=[.,;)]|\s*$)")
def end_of_street(match: re.Match[str]) -> str | None:
    """'88 Queen St. W., Toronto' -> west."""
    street = compiled(rf"\b{_STREETS}\.?,? $").search(before(match, 12))
    return DIRECTIONS[match[1].lower()] if street else None


@rule(DIGIT, r"(\d{1,5})([A-D]?)"
      rf"(?= (?:[NSEW]\.? )?(?:\d+(?:st|nd|rd|th)|[A-Z][a-z]+(?: [A-Z][a-z]+)?|[A-Z]) {_STREETS})")
def house_number(match: re.Match[str]) -> str:
    """'250 W. Oak Ave.' -> two fifty; '1600 Main St.' -> sixteen hundred; '221B Baker Street' -> two twenty-one B."""
    number = {3: hundreds, 4: year}.get(len(match[1]), say_whole)(match[1])
    return f"{number} {match[2]}".rstrip()


@rule(DIGIT, r"(\d{3})(?!\d)")
def road_number(match: re.Match[str]) -> str | None:
    """'Highway 101', 'room 101', 'Biology 101' -> one oh one."""
    airline = compiled(r"(?i:\bflight) [A-Z][A-Z0-9] ?$").search(before(match, 11))
    led = led_by(match, f"highway|route|interstate|hwy|rte|flight|rm\\.|room|suite|ext\\.?|extension|{_SUBJECTS}")
    freeway = led_by(match, "the") and match[0][1] == "0" and near(match, _FREEWAY, 30)
    return hundreds(match[0]) if airline or led or freeway or _is_status(match) else None


def _is_status(match: re.Match[str]) -> bool:
    """True for the status of a request: 'a 404 error', 'HTTP 503'."""
    told = led_by(match, "an?|the|that|this|gets?|got|getting|returns?|returned") and compiled(
        r"\s(?:error|response|status)\b|(?<=404)\spage\b").match(match.string, match.end())
    told = told or compiled(_STATUS).match(match.string, match.end())
    told = told or begins_line(match) and re.match(r"\.?\s*(?:\n|$)", after(match, 4))
    is_code = match[0][0] in "12345" and match[0][1] == "0"
    asked = compiled(r"\b(?:GET|POST|PUT|DELETE|PATCH|HEAD) ").search(before(match))  # "GET /a.html returned 404"
    return is_code and bool(told or asked or led_by(match, "http|(?:error|status)(?: code)?"))
