"""Numbers in English words, American style, as strings of digits of any length.

Own code instead of the package `inflect`, whose import alone takes longer than a sentence's synthesis; the words are
those of inflect 0.2.5, which the published teacher was fed with.
"""

_UNITS = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
          "seventeen eighteen nineteen").split()
_TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()
_POWERS = (" thousand million billion trillion quadrillion quintillion sextillion septillion octillion nonillion "
           "decillion").split(" ")
_ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
             "twelve": "twelfth"}


def spell_digits(digits: str) -> str:
    """'1905' -> 'one nine zero five'."""
    return " ".join(_UNITS[int(digit)] for digit in digits)


def _below_hundred(number: int) -> str:
    """Returns a number from 0 to 99 as words."""
    if number < 20:
        return _UNITS[number]
    return _TENS[number // 10] + (f"-{_UNITS[number % 10]}" if number % 10 else "")


def _below_thousand(number: int, and_word: str) -> str:
    """Returns a number from 0 to 999 as words; and_word: " and" or nothing, after the hundreds."""
    if number < 100:
        return _below_hundred(number)
    rest = f"{and_word} {_below_hundred(number % 100)}" if number % 100 else ""
    return f"{_UNITS[number // 100]} hundred{rest}"


def cardinal(digits: str, comma: str = "", and_word: str = "") -> str:
    """'1234' -> 'one thousand two hundred thirty-four'; beyond 36 digits, one digit after the other.

    comma: put between the groups of a thousand, "," or nothing; and_word: " and" or nothing, before tens and units.
    """
    digits = digits.lstrip("0") or "0"
    if len(digits) > 3 * len(_POWERS):
        return spell_digits(digits)
    if len(digits) <= 3:
        return _below_thousand(int(digits), and_word)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [int(digits[i:i + 3]) for i in range(0, len(digits), 3)]
    said = [f"{_below_thousand(group, and_word)} {power}"
            for group, power in zip(groups[:-1], reversed(_POWERS[1:len(groups)])) if group]
    words = f"{comma} ".join(said)
    if groups[-1]:
        words += (comma if groups[-1] >= 100 else and_word) + " " + _below_thousand(groups[-1], and_word)
    return words


def ordinal(digits: str, comma: str = "", and_word: str = "") -> str:
    """'21' -> 'twenty-first'; the arguments are those of `cardinal`."""
    return as_ordinal(cardinal(digits, comma, and_word))


def as_ordinal(words: str) -> str:
    """The ordinal of a cardinal already in words: 'forty-two' -> 'forty-second'."""
    cut = max(words.rfind(" "), words.rfind("-")) + 1
    last = words[cut:]
    if last.endswith("y"):
        return words[:cut] + last[:-1] + "ieth"
    return words[:cut] + _ORDINALS.get(last, last + "th")


def pairs(digits: str) -> str:
    """Four digits as a year is said: '1905' -> 'nineteen oh five', '1900' -> 'nineteen hundred'."""
    century, rest = int(digits[:2]), int(digits[2:])
    if rest == 0:
        return f"{_below_hundred(century)} hundred"
    return f"{_below_hundred(century)} {'oh ' if rest < 10 else ''}{_below_hundred(rest)}"


def year(digits: str) -> str:
    """'1876' -> 'eighteen seventy-six', '2007' -> 'two thousand seven', '44' -> 'forty-four'."""
    if len(digits) != 4 or digits[1:3] == "00":
        return cardinal(digits)
    return pairs(digits)


def plural(words: str) -> str:
    """'nineteen ninety' -> 'nineteen nineties'."""
    if words.endswith("y"):
        return words[:-1] + "ies"
    return words + ("es" if words.endswith("x") else "s")


def ungrouped(written: str) -> str:
    """'1,234.5' -> '1234.5'; also '1,25,000' and '3 500 000'."""
    return written.replace(",", "").replace(" ", "")


def say_whole(digits: str, years: bool = True) -> str:
    """Digits as a year if they may be one, digit by digit if a code (007, or ten and more), else a cardinal."""
    if len(digits) > 1 and digits[0] == "0" or len(digits) >= 10 and not digits.endswith("000") and years:
        return spell_digits(digits)
    if years and len(digits) == 4:
        if "1100" <= digits <= "1999" or "2010" <= digits <= "2099" or digits[2:] == "00" != digits[1:3]:
            return pairs(digits)
    return cardinal(digits)


def say_number(written: str) -> str:
    """'1,234.5', '1876' (as a year), '007', '.5' -> words."""
    whole, point, decimals = written.partition(".")
    if point:
        said = say_whole(ungrouped(whole), years=False) + " " if whole else ""
        return f"{said}point {spell_digits(decimals)}"
    return say_whole(ungrouped(whole), years=whole.isdecimal())


def say_amount(written: str) -> str:
    """As `say_number` for a number that cannot be a year."""
    return say_number(written) if "." in written else say_whole(ungrouped(written), years=False)


def short_year(digits: str) -> str:
    """Two digits of a year: '08' -> 'oh eight', '99' -> 'ninety-nine'."""
    return spell_digits(digits).replace("zero", "oh") if digits[0] == "0" else cardinal(digits)


def hundreds(digits: str) -> str:
    """Three digits of a name: '767' -> 'seven sixty-seven', '405' -> 'four oh five', '900' -> 'nine hundred'."""
    if digits[0] == "0":
        return spell_digits(digits)
    if digits[1:] == "00":
        return cardinal(digits)
    return f"{_UNITS[int(digits[0])]} {'oh ' if digits[1] == '0' else ''}{_below_hundred(int(digits[1:]))}"
