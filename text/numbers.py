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
    if number < 20:
        return _UNITS[number]
    return _TENS[number // 10] + (f"-{_UNITS[number % 10]}" if number % 10 else "")


def _below_thousand(number: int, and_word: str) -> str:
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
