"""Rules for numbers that name something: papers, keys, versions, models, telephones, and the records of teams."""
import re

from text.numbers import cardinal, hundreds, pairs, say_whole, spell_digits
from text.roman import roman_value
from text.rule import CAPITAL, DIGIT, LETTER, SMALL, after, before, compiled, led_by, near, rule, word_before
from text.tables import MODEL_NAMES, NUMBERED_THINGS, PAPERS, SOFTWARE, UNITS

_SECRETS = "code|pin|passcode|password|combination"
_LAW_BEFORE = r"(?i)(?:§|\b(?:section|sec\.|rule|article|art\.|paragraph|para\.|clause|subsection|form|title)) $"
_PAPER = "|".join(sorted(PAPERS))
_NUMBERED = r"\b(?:" + "|".join(sorted(NUMBERED_THINGS)) + r")\b\.?(?: no\.| number)"
_PAPER_NUMBER_BEFORE = (r"(?i)\bext(?:ension|\.)?(?: is)? $|"
                        r"\b(?:ref|reference|serial|confirmation|tracking|account|acct)\.? (?:no\.|number) #?$")
_MODELS = "|".join(sorted(MODEL_NAMES))
_PHONE_WORDS = "call|phone|dial|number|tel|ring|fax|mobile|cell|text|contact|extension|reach|hotline|office"
_IN_GAME = ("at|vs|host|hosted|visit|beat|face|play|against|defeated|improve[sd]?|dropped|have|has|will|scored|lost|"
            "won")


@rule(CAPITAL, r"ISBN(?:-1[03])?:?\s?([\dX][\dX -]{8,16}[\dX])(?!\d)")
def isbn(match: re.Match[str]) -> str:
    """ISBN 978-1-4493-5573-9, digit by digit."""
    digits = re.sub(r"[^\dX]", "", match[1])
    return "I S B N " + " ".join(spell_digits(digit) if digit.isdecimal() else "X" for digit in digits)


@rule(DIGIT, r"97[89]-\d{1,5}-\d{1,7}-\d{1,7}-[\dX](?!\d)", needs="-")
def isbn_alone(match: re.Match[str]) -> str:
    """978-1-4493-5573-9, digit by digit."""
    return " ".join(spell_digits(digit) if digit.isdecimal() else "X" for digit in match[0].replace("-", ""))


def _is_numbered(match: re.Match[str], papers: str) -> bool:
    """True after 'the code is', 'order no.', 'PIN:'; papers: what has a number, as a regular expression."""
    led = compiled(rf"(?i)(?:\b(?:{papers})\b\.?(?: no\.?| number| #)?|{_NUMBERED})(?: is| was|:)?(?: now| still)?"
                   r"(?: \d+, not)? ?#?$")
    return led.search(before(match, 48)) is not None


@rule(DIGIT, r"\d{4,12}(?![\d,.:/-]*\d|\w)")
def code_or_key(match: re.Match[str]) -> str | None:
    """'the code is 4471, not 4417', 'PIN: 9020', 'a card ending in 1192', 'invoice no. 20394', digit by digit."""
    is_count = len(match[0]) > 4 and match[0].endswith("000")  # "order 10000 of them"
    if (before(match, 1) == "#" or led_by(match, r"box|p\.o\.")) and len(match[0]) > 4 and not is_count:
        return spell_digits(match[0])
    is_end = len(match[0]) == 4 and (led_by(match, "ends in|ending in") or compiled(_PAPER_NUMBER_BEFORE).search(
        before(match, 32)) is not None)
    numbered = _is_numbered(match, _SECRETS if len(match[0]) == 4 else f"{_SECRETS}|{_PAPER}")
    return spell_digits(match[0]) if numbered and not is_count or is_end else None


@rule(DIGIT + CAPITAL, r"(?=\d*[A-Z])(?=[A-Z]*\d)[A-Z\d]{9,40}(?![A-Za-z\d-])")
def long_code(match: re.Match[str]) -> str | None:
    """'tracking no. 1Z999AA10123456784', sign by sign; not a word with a number, as WINDOWS2000."""
    if re.search(r"[A-Z]{5}", match[0]):
        return None
    return " ".join(spell_digits(sign) if sign.isdecimal() else sign for sign in match[0])


@rule(DIGIT, r"\d{1,4}[A-Z]{1,4}\d{1,4}[A-Z]{0,3}(?![A-Za-z\d])")
def mixed_code(match: re.Match[str]) -> str:
    """'lot 4K72B', 'plate 7XKR201' -> four K seventy-two B, seven X K R two oh one."""
    parts = re.findall(r"\d+|[A-Z]+", match[0])
    return " ".join(" ".join(part) if part.isalpha() else hundreds(part) if len(part) == 3 else
                    say_whole(part, years=False) for part in parts)


@rule(DIGIT, r"(1040|1098|1099)(?=-?[A-Z]{1,4}\b)?(?!\d)")
def tax_form(match: re.Match[str]) -> str | None:
    """'Form 1040', '1099-MISC' -> ten forty, ten ninety-nine."""
    return pairs(match[0]) if near(match, "forms?|tax|taxes|irs|misc|-int|-nec|-div|schedule|-ez|filed?", 24) else None


@rule(DIGIT, r"(\d{1,4})((?:\((?:[a-z]{1,4}|[A-Z]|\d{1,2})\)){1,4})(?![\w(])", needs="(")
def clause(match: re.Match[str]) -> str | None:
    """'Section 501(c)(3)', 'paragraph 3(a)(ii)' -> five oh one C three, three A two."""
    parts = re.findall(r"\w+", match[2])
    said = [hundreds(match[1]) if len(match[1]) == 3 else say_whole(match[1])]
    for place, part in enumerate(parts):
        value = roman_value(part) if place or len(part) > 1 else 0
        said.append(cardinal(part) if part.isdecimal() else cardinal(str(value)) if value else part.upper())
    cited = len(parts) > 1 or compiled(_LAW_BEFORE).search(before(match))
    known = all(len(part) == 1 or part.isdecimal() or roman_value(part) for part in parts)
    return " ".join(said) if cited and known else None


@rule(DIGIT, r"\d{1,10}(?:-\d{1,10}){1,4}(?![\w-])", needs="-")
def numbered_order(match: re.Match[str]) -> str | None:
    """'order #77-4021', 'the confirmation number is 7740-2291', digit by digit."""
    groups = match[0].split("-")
    is_code = groups[0][0] == "0" and len(groups[0]) > 2 or len(groups[-1]) > 5 and groups[-1][-2:] != "00"
    led = is_code or before(match, 1) == "#" or compiled(_PAPER_NUMBER_BEFORE).search(before(match, 32)) or (
        len(match[0].rpartition("-")[2]) > 2 and (  # "no. 44-1827", but "no. 10-12"
            led_by(match, r"no\.") or _is_numbered(match, f"{_SECRETS}|{_PAPER}|NDC|SKU")))
    return ", ".join(map(spell_digits, groups)) if led else None


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
    following = compiled(r" ?([A-Za-z]+)").match(match.string, match.end())
    is_amount = following and following[1] in UNITS  # "Go 2.5 mi. past it"
    return _say_version(match[0]) if word_before(match).lower() in SOFTWARE and not is_amount else None


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


@rule(DIGIT, r"\d{4}(?![\d,.:/-]*\d|\w)")
def port_number(match: re.Match[str]) -> str | None:
    """'port 8080' -> eighty eighty."""
    return pairs(match[0]) if led_by(match, "port") and match[0][2:] != "00" != match[0][1:3] else None


@rule(DIGIT, r"\d{4}(?![\d,.:/-]*\d)")
def model_number(match: re.Match[str]) -> str | None:
    """'an RTX 4090', 'a Ryzen 5800X' -> forty ninety, fifty-eight hundred."""
    return pairs(match[0]) if match[0][1:3] != "00" and led_by(match, rf"(?:{_MODELS})(?: \d)?") else None


@rule(LETTER, r"[iI]([3579])-(\d\d?)(\d\d)(\d?)([A-Z]{0,2})(?![\w-])", needs="-")
def processor(match: re.Match[str]) -> str:
    """i7-12700K -> I seven twelve seven hundred K."""
    digits = "".join(match.groups()[1:4])
    said = pairs(digits) if len(digits) == 4 else f"{cardinal(digits[:2])} {hundreds(digits[2:])}"
    return " ".join(["I", cardinal(match[1]), said, *match[5]])


@rule(CAPITAL, r"([A-Z])-?(\d{3})(?![\d,.]\d|\w)(?!-\d)")
def model_with_letter(match: re.Match[str]) -> str:
    """F-150 -> F one fifty, A320 -> A three twenty."""
    return f"{match[1]} {hundreds(match[2])}"


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


@rule(DIGIT, r"\d{3,4}(?: \d{3,4}){1,5}(?![\d,./-]*\d|\w)")
def number_in_groups(match: re.Match[str]) -> str | None:
    """'Meeting ID: 845 2213 9970' -> eight four five, two two one three, ...; not 845 213 997 people."""
    groups = match[0].split()
    if len(groups) == 2:
        return _say_phone(match[0]) if compiled(r"(?i)code\b[^.]{0,20}(?: is|:) $").search(before(match)) else None
    uneven = any(len(group) == 4 for group in groups[1:])
    named = near(match, r"id|number|code|no\.|account|card|serial|tracking", 24)
    return _say_phone(match[0]) if uneven or named else None


@rule("+", r"\+\d{1,3}(?:[- (]{1,2}\d{1,8}\)?){1,6}(?!\d)|\+\d{7,15}(?!\d)")
def international_phone(match: re.Match[str]) -> str | None:
    """+39 06 698123 -> plus three nine, zero six, six nine eight one two three."""
    return _say_phone(match[0]) if len(re.findall(r"\d", match[0])) >= 7 else None


@rule(DIGIT + "(", r"\(?0\d{2,4}\)? ?\d{3,4} \d{3,4}(?!\d)|\(?0\d{3,4}\)?[ -]\d{5,7}(?!\d)|0\d(?: \d\d){4}(?!\d)")
def national_phone(match: re.Match[str]) -> str:
    """020 7123 4568 -> zero two zero, ..."""
    return _say_phone(match[0])


@rule(DIGIT, r"1-(800|888|877|866|855|844|833|900)-((?:[A-Z]{2,}|\d+)(?:-(?:[A-Z]{2,}|\d+)){0,3})(?![\w-])", needs="-")
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


@rule(DIGIT, r"([4-7])-(\d|1[01])(?=,? \d{3}[ -]?(?:pounds?|lbs?)\b)", needs="-")
def height_of_player(match: re.Match[str]) -> str:
    """'He is 6-2, 210 pounds' -> six two."""
    return f"{cardinal(match[1])} {cardinal(match[2])}"


@rule(DIGIT, r"(\d{1,2})-(\d{1,2})(?:-(\d{1,2}))?(?=\)|, \d+-\d|(?: [A-Z][\w-]+){1,2}\))", needs="-")
def record_in_brackets(match: re.Match[str]) -> str | None:
    """'Bears (5-2) at Packers (4-3)' -> five and two."""
    if not compiled(r"(?:[A-Z][a-z]+|\d-\d+) \((?:\d+-\d+(?:-\d+)?, )?$").search(before(match, 24)) or not near(
            match, _IN_GAME, 30):
        return None
    return " and ".join(cardinal(part) for part in match.groups() if part)


@rule(DIGIT, r"(\d{1,3})-(\d{1,3})-(\d{1,3})(?![\w/-])", needs="-")
def record_of_games(match: re.Match[str]) -> str | None:
    """12-4-2 -> twelve four and two."""
    if match[1][0] == "0":
        return None
    counts_down = abs(int(match[1]) - int(match[2])) == 1 and int(match[2]) - int(match[1]) == int(match[3]) - int(
        match[2])  # "3-2-1", "1-2-3"
    is_secret = near(match, f"{_SECRETS}|lock|locker", 30)  # "the combination is 12-24-36"
    return f"{cardinal(match[1])} {cardinal(match[2])} {'' if counts_down or is_secret else 'and '}{cardinal(match[3])}"


@rule(DIGIT, r"(\d{1,3})-(\d{1,3})(?= (?:(?:this|last) (?:year|season)|on the (?:year|season)|overall|at home)\b)",
      needs="-")
def record_of_season(match: re.Match[str]) -> str | None:
    """'The team is 9-3 this year' -> nine and three; 'lost 4-0 at home' is the score of a game."""
    if led_by(match, "won|lost|beat|drew|win|loss|victory"):
        return None
    return f"{cardinal(match[1])} and {cardinal(match[2])}"


@rule(DIGIT, r"(\d{1,2})-(\d{1,2})(?! (?:up|down|ahead|behind|to|against|on|in favor|favou?rites?)\b)(?![\d/-])",
      needs="-")
def record_of_team(match: re.Match[str]) -> str | None:
    """'The Packers are 8-3', 'improved to 8-3' -> eight and three."""
    of_season = compiled(r" (?:start|record|season|finish|mark)\b").match(match.string, match.end())
    if near(match, "odds|vote|score|ages|pages", 40) or not (of_season or led_by(
            match, "are|went|record (?:of|is|was)|improve[sd]? to|fell to|dropped to")):
        return None
    return f"{cardinal(match[1])} and {cardinal(match[2])}"
