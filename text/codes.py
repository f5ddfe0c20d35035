"""Rules for numbers that name something: telephones, postal codes, versions, models, keys, addresses of houses."""
import re

from text.numbers import cardinal, hundreds, pairs, say_whole, spell_digits, year
from text.rule import CAPITAL, DIGIT, SMALL, after, before, compiled, led_by, near, rule, word_before
from text.tables import DIRECTIONS, NEVER_BEFORE_STATE, NUMBERED_THINGS, PAPERS, SOFTWARE, STATES, STATES_WITH_STOP

_PHONE_WORDS = "call|phone|dial|number|tel|ring|fax|mobile|cell|text|contact|extension|reach|hotline|office"
_SECRETS = "code|pin|passcode|password|combination"
_PAPER = "|".join(sorted(PAPERS))
_NUMBERED = r"\b(?:" + "|".join(sorted(NUMBERED_THINGS)) + r")\b\.?(?: no\.| number)"
_PAPER_NUMBER_BEFORE = (r"(?i)\bext(?:ension|\.)?(?: is)? $|"
                        r"\b(?:ref|reference|serial|confirmation|tracking|account|acct)\.? (?:no\.|number) #?$")
_STREETS = (r"(?:St|Street|Ave|Avenue|Rd|Road|Blvd|Boulevard|Dr|Drive|Ln|Lane|Pl|Place|Ct|Court|Way|Pkwy|Hwy|Ter|Sq|"
            r"Terrace|Parkway|Highway|Broadway|Square)\b")
_SUBJECTS = ("bio|biology|chem|chemistry|math|physics|psych|psychology|econ|economics|english|history|philosophy|"
             "sociology|spanish|french|accounting|calculus")
_STATE_NAMES = "|".join(name.title() for name in sorted(set(STATES.values())) if len(name) > 3)
_STATE_BEFORE = rf", (?:{_STATE_NAMES}) $"
_ZIP_BEFORE = r"(?i)\b(?:zip|postal|post|area)\s?codes?\b.{0,14}$|\bzip\b.{0,8}$|, [A-Z]{2} $"
_PLACE_BEFORE = r"(^|[^A-Za-z\s]|\b[A-Za-z]+)\s?((?:[A-Z][A-Za-z.'-]+\s){0,3}[A-Z][a-z.'-]+), $"


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


@rule(DIGIT, r"\d{5}-\d{4}(?![\d-])")
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
    if match[1] not in STATES:
        return None
    place = compiled(_PLACE_BEFORE).search(before(match, 50))
    if not place or place[2].lower() in NEVER_BEFORE_STATE:
        return None
    is_word = match[1] in ("OK", "HI", "OH", "ME", "IN", "OR", "ID", "PA", "MA", "LA")
    led = place[1][-1:].islower() or " " in place[2] or match.end() == len(match.string.rstrip())
    if is_word and not match[2] and not (led or match[1] in ("ID", "OR", "ME") and not place[1]):
        return None
    return STATES[match[1]]


@rule(CAPITAL, rf"({'|'.join(sorted(STATES_WITH_STOP, key=len, reverse=True))})\.")
def state_with_stop(match: re.Match[str]) -> str | None:
    """'Gary, Ind.' -> gary, indiana."""
    return STATES_WITH_STOP[match[1]] if compiled(r"[A-Z][a-z]+, $").search(before(match, 20)) else None


@rule(CAPITAL, r"([NSRW])\. ?([A-Z])\.(?![A-Za-z])")
def state_with_stops(match: re.Match[str]) -> str | None:
    """'Fargo, N.D.' -> north dakota."""
    return STATES.get(match[1] + match[2]) if compiled(r"[A-Z][a-z]+, $").search(before(match, 20)) else None


@rule(CAPITAL, r"([DRI])-([A-Z][A-Za-z]{1,5})\b\.?")
def party_and_state(match: re.Match[str]) -> str | None:
    """'Rep. Lee, D-Calif.' -> D california."""
    state = STATES.get(match[2]) or STATES_WITH_STOP.get(match[2])
    return f"{match[1]} {state}" if state else None


@rule(CAPITAL, r"ISBN(?:-1[03])?:?\s?([\dX][\dX -]{8,16}[\dX])(?!\d)")
def isbn(match: re.Match[str]) -> str:
    """ISBN 978-1-4493-5573-9, digit by digit."""
    digits = re.sub(r"[^\dX]", "", match[1])
    return "I S B N " + " ".join(spell_digits(digit) if digit.isdecimal() else "X" for digit in digits)


@rule(DIGIT, r"97[89]-\d{1,5}-\d{1,7}-\d{1,7}-[\dX](?!\d)")
def isbn_alone(match: re.Match[str]) -> str:
    """978-1-4493-5573-9, digit by digit."""
    return " ".join(spell_digits(digit) if digit.isdecimal() else "X" for digit in match[0].replace("-", ""))


@rule(DIGIT, r"\d{4,12}(?![\d,.:/-]*\d|\w)")
def code_or_key(match: re.Match[str]) -> str | None:
    """'the code is 4471, not 4417', 'PIN: 9020', 'a card ending in 1192', 'invoice no. 20394', digit by digit."""
    words = _SECRETS if len(match[0]) == 4 else f"{_SECRETS}|{_PAPER}"
    led = compiled(rf"(?i)(?:\b(?:{words})\b\.?(?: no\.?| number)?|{_NUMBERED})(?: is| was|:)?(?: now| still)?"
                   r"(?: \d+, not)? #?$")
    is_count = len(match[0]) > 4 and match[0].endswith("000")  # "order 10000 of them"
    if before(match, 1) == "#" and len(match[0]) > 4 and not is_count:
        return spell_digits(match[0])
    is_end = len(match[0]) == 4 and (led_by(match, "ends in|ending in") or compiled(_PAPER_NUMBER_BEFORE).search(
        before(match, 32)) is not None)
    return spell_digits(match[0]) if led.search(before(match, 48)) and not is_count or is_end else None


@rule(DIGIT + CAPITAL, r"(?=\d*[A-Z])(?=[A-Z]*\d)[A-Z\d]{9,40}(?![A-Za-z\d-])")
def long_code(match: re.Match[str]) -> str | None:
    """'tracking no. 1Z999AA10123456784', sign by sign; not a word with a number, as WINDOWS2000."""
    if re.search(r"[A-Z]{5}", match[0]):
        return None
    return " ".join(spell_digits(sign) if sign.isdecimal() else sign for sign in match[0])


@rule(DIGIT, r"\d{1,10}(?:-\d{1,10}){1,4}(?![\w-])")
def numbered_order(match: re.Match[str]) -> str | None:
    """'order #77-4021', digit by digit."""
    led = before(match, 1) == "#" or compiled(_PAPER_NUMBER_BEFORE).search(before(match, 32)) or (
        led_by(match, r"no\.") and len(match[0].rpartition("-")[2]) > 2)  # "no. 44-1827", but "no. 10-12"
    return ", ".join(map(spell_digits, match[0].split("-"))) if led else None


@rule(DIGIT, r"0[xX]([0-9A-Fa-f]{1,32})(?!\w)")
def hexadecimal(match: re.Match[str]) -> str:
    """0x1F -> zero X one F."""
    return "zero X " + " ".join(spell_digits(sign) if sign.isdecimal() else sign.upper() for sign in match[1])


@rule(DIGIT, r"802\.(\d{1,2})([a-z]{0,2}(?:/[a-z]{1,2}){0,5})(?![\w])")
def wireless_standard(match: re.Match[str]) -> str:
    """802.11be -> eight oh two dot eleven B E."""
    return " ".join(["eight oh two dot", cardinal(match[1]), *match[2].replace("/", "").upper()])


@rule(SMALL + CAPITAL, r"[vV](?:er\.? ?)?(\d+(?:\.\d+)+)(?![\d.]*\d)")
def version_with_v(match: re.Match[str]) -> str:
    """v3.12.4 -> V three point twelve point four."""
    return "V " + _say_version(match[1])


@rule(DIGIT, r"\d+(?:\.\d+){2,}(?!\w)")
def version(match: re.Match[str]) -> str:
    """2.5.1 -> two point five point one; 192.168.0.1 -> one hundred ninety-two dot ..."""
    numbers = match[0].split(".")
    return (" dot ".join(cardinal(number) for number in numbers) if len(numbers) == 4 and
            max(map(len, numbers)) <= 3 and not near(match, "version|release|update|build|v", 16) else
            _say_version(match[0]))


@rule(DIGIT, r"(\d{1,2})\.(\d{1,2})(?![\d.]*\d|\w|%|\s?(?:percent|million|billion|seconds|hours|minutes)\b)")
def version_of_software(match: re.Match[str]) -> str | None:
    """'Python 3.10' -> python three point ten."""
    return _say_version(match[0]) if word_before(match).lower() in SOFTWARE else None


def _say_version(written: str) -> str:
    """Returns a version such as "3.11" as words."""
    return " point ".join(f"oh {cardinal(part)}" if len(part) > 1 and part[0] == "0" != part[1] else cardinal(part)
                          for part in written.split("."))


@rule(DIGIT, r"(7[0-8]7)(?:-([1-9]00|[1-9]\d?|10))?(s|'s)?(?![\d-])(?:(ER|LR|F|MAX)\b)?")
def aircraft(match: re.Match[str]) -> str | None:
    """Boeing 737-900 -> seven thirty-seven nine hundred."""
    if not (match[2] and match[2].endswith("00") or match[3] or near(
            match, "boeing|jets?|planes?|airliners?|aircraft|freighters?|airlines?|flew|jumbo|cockpit|runway|"
            "hangar|landed|took off|pilots?|airport|parked|crash|cabin", 30)):
        return None
    return hundreds(match[1]) + (f" {cardinal(match[2])}" if match[2] else "") + (
        "s" if match[3] else "") + (" " + " ".join(match[4]) if match[4] else "")


@rule(DIGIT, r"3M(?![\w-])")
def company_3m(match: re.Match[str]) -> str | None:
    """'at 3M' and '3M announced' are the company; '3M users' are people."""
    if re.match(r"'s\b|,? (?:said|says|announced|reported|is|was|has|had|makes|made|will|agreed|stock|shares|products|"
                r"tape|[a-z]+ed)\b", after(match, 14)):
        return "three M"
    led = compiled(r"(?:^|[.!?]\s)$").search(before(match, 12)) or led_by(
        match, r"at|for|by|from|with|join(?:ed)?|sued?|left|and|company|buy|bought|of|against|(?:shares|stake) in|"
        r"invest\w* in")
    return "three M" if led and not re.match(r" (?:[a-z]+s|people)\b", after(match, 20)) else None


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
    region = match[0] in ("SE", "SW", "NW") and re.match(r" [A-Z][a-z]", after(match, 3))  # "SE Asia"
    is_name = len(match[0]) == 1 and not of or re.match(r" [A-Z]", after(match, 2))
    return DIRECTIONS[match[1].lower()] if region or (led or of and len(match[0]) > 1) and not is_name else None


@rule(CAPITAL, r"(I|US|SR|Hwy|Highway|Route|Rte)\.?[- ](\d{1,3}) ([NSEW])(?![A-Za-z.'])")
def road_and_direction(match: re.Match[str]) -> str:
    """I-78 W -> I seventy-eight west."""
    road, number, direction = match.groups()
    name = {"Hwy": "highway", "Rte": "route"}.get(road, road.lower() if len(road) > 2 else " ".join(road))
    return f"{name} {hundreds(number) if len(number) == 3 else cardinal(number)} {DIRECTIONS[direction.lower()]}"


@rule(DIGIT, r"\d{4}(?![\d,.:/-]*\d|\w)")
def port_number(match: re.Match[str]) -> str | None:
    """'port 8080' -> eighty eighty."""
    return pairs(match[0]) if led_by(match, "port") and match[0][2:] != "00" != match[0][1:3] else None


@rule(CAPITAL, r"(N\.?[EW]\.?|S\.?[EW]\.?)(?![A-Za-z])")
def street_quarter(match: re.Match[str]) -> str | None:
    """'Massachusetts Ave. NW' -> northwest."""
    street = compiled(rf"\b{_STREETS}\.?,? $").search(before(match, 12))
    return DIRECTIONS[match[1].replace(".", "").lower()] if street else None


@rule(DIGIT, r"(\d{1,3})-(\d{1,3})-(\d{1,3})(?![\w/-])")
def record_of_games(match: re.Match[str]) -> str | None:
    """12-4-2 -> twelve four and two."""
    if match[1][0] == "0":
        return None
    counts_down = int(match[1]) - 1 == int(match[2]) == int(match[3]) + 1  # "3-2-1"
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
            match, "are|went|record (?:of|is|was)|improved? to|fell to|dropped to")):
        return None
    return f"{cardinal(match[1])} and {cardinal(match[2])}"


@rule(CAPITAL, r"([A-Z])-?(\d{3})(?![\d,.]\d|\w)(?!-\d)")
def model_with_letter(match: re.Match[str]) -> str:
    """F-150 -> F one fifty, A320 -> A three twenty."""
    return f"{match[1]} {hundreds(match[2])}"


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
    roads = "traffic|freeway|drive|drove|exit|lanes?|crash"
    freeway = led_by(match, "the") and match[0][1] == "0" and near(match, roads, 30)
    return hundreds(match[0]) if airline or led or freeway or _is_status(match) else None


def _is_status(match: re.Match[str]) -> bool:
    """True for the status of a request: 'a 404 error', 'HTTP 503'."""
    told = led_by(match, "an?|the|that|this|gets?|got|getting|returns?|returned") and compiled(
        r"\s(?:error|response|status|not found)\b|(?<=404)\spage\b").match(match.string, match.end())
    is_code = match[0][0] in "12345" and match[0][1] == "0"
    return is_code and bool(told or led_by(match, "http|(?:error|status)(?: code)?"))
