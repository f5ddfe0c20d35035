"""Rules for money: signs, magnitudes, cents, amounts that stand before a noun."""
import re

from text.figures import NUMBER
from text.numbers import cardinal, say_amount
from text.quantity import is_adjective
from text.rule import CAPITAL, DIGIT, compiled, figure, rule
from text.tables import CURRENCIES, DOLLARS_OF, MAGNITUDES

SIGNS = "".join(map(re.escape, CURRENCIES))
_MAGNITUDE = (
    r"(?:[ -]?((?i:hundred|thousand|million|billion|trillion))s?\b|\s?((?i:k|mn?|bn?|tn?|mil|bil|mio))\b(?!'))")
_EUROPEAN = r"\d{1,3}(?:\.\d{3})+(?:,\d\d)?(?![\d,.]*\d)|\d+,\d\d(?![\d,]|\.\d)"


@rule(DIGIT, rf"(\d{{1,2}})/(?=[{SIGNS}]\d)", needs="/")
def so_many_for(match: re.Match[str]) -> str:
    """'2/$5' -> two for five dollars."""
    return f"{cardinal(match[1])} for"


@rule(SIGNS, rf"([{SIGNS}])(10+)s of (thousands|millions|billions|trillions)\b")
def tens_of_millions(match: re.Match[str]) -> str:
    """$10s of millions -> tens of millions of dollars."""
    tens = {"10": "tens", "100": "hundreds", "1000": "thousands"}.get(match[2], "thousands")
    return f"{tens} of {match[3]} of {CURRENCIES[match[1]][1]}"


@rule(SIGNS, rf"([{SIGNS}])\s?({_EUROPEAN})")
def european_money(match: re.Match[str]) -> str | None:
    """€2.450,75 -> two thousand four hundred fifty euros and seventy-five cents; not $3.459."""
    whole, _, part = match[2].partition(",")
    dots = whole.count(".")
    if match[1] != "€" and dots == 1 and not part and not whole.endswith("00"):
        return None
    return _say_money(whole.replace(".", "") + ("." + part if part else ""), match[1], _several(match, match[1]))


@figure(SIGNS, rf"([{SIGNS}])\s?({NUMBER})(?:\s?[-–]\s?\1?({NUMBER}))?{_MAGNITUDE}?(?:\+(?!\w))?")
def money(match: re.Match[str]) -> str:
    """$3.5 million -> three point five million dollars, $0.99 -> ninety-nine cents, 'a $20 tip' -> twenty dollar."""
    sign, low, high, magnitude = match[1], match[2], match[3], match[4] or match[5]
    several = _several(match, sign)
    if not high and not magnitude:
        return _say_money(low, sign, several)
    amount = say_amount(low) + (f" to {say_amount(high)}" if high else "")
    return amount + (f" {MAGNITUDES[magnitude.lower()]}" if magnitude else "") + f" {several}"


@rule(DIGIT, rf"({_EUROPEAN})\s?€", needs="€")
def european_money_sign_last(match: re.Match[str]) -> str:
    """2.450,75 € -> two thousand four hundred fifty euros and seventy-five cents."""
    whole, _, part = match[1].partition(",")
    return _say_money(whole.replace(".", "") + ("." + part if part else ""), "€", CURRENCIES["€"][1])


def _several(match: re.Match[str], sign: str) -> str:
    """Returns the plural of a currency; the singular before a noun, as in "a $20 tip"."""
    return CURRENCIES[sign][0 if is_adjective(match) else 1]


def _say_money(amount: str, sign: str, several: str) -> str:
    """Returns an amount of money as words; several: the plural of the currency."""
    one, _, cent, cents = CURRENCIES[sign]
    if not cent or not re.search(r"\.\d\d$", amount):
        return f"{say_amount(amount)} {one if amount == '1' else several}"
    whole, _, part = amount.replace(",", "").partition(".")
    whole = whole.lstrip("0")
    said = [f"{cardinal(whole)} {one if whole == '1' else several}"] if whole else []
    if part != "00":
        said.append(f"{cardinal(part)} {cent if part == '01' or several == one else cents}")
    return " and ".join(said) or f"zero {several}"


@rule(CAPITAL, rf"({'|'.join(sorted(map(re.escape, DOLLARS_OF), key=len, reverse=True))})"
               rf"(\$\s?{NUMBER}{_MAGNITUDE}?)", needs="$")
def foreign_dollars(match: re.Match[str]) -> str:
    """US$20 -> twenty U S dollars."""
    said = money.say(compiled(money.pattern).match(match.string, match.start(2)))
    return said.replace("dollar", f"{DOLLARS_OF[match[1]]} dollar")


@rule(CAPITAL + "₹", rf"(?:Rs\.?|INR|₹)\s?({NUMBER})(?:\s(lakhs?|crores?))?(?![\d])")
def rupees(match: re.Match[str]) -> str:
    """Rs. 250 -> two hundred fifty rupees."""
    return f"{say_amount(match[1])} {match[2] + ' ' if match[2] else ''}{'rupee' if match[1] == '1' else 'rupees'}"
