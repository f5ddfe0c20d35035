"""Rules for measurements: a figure and its unit, feet and inches, temperatures, degrees of an angle, doses."""
import re

from text.figures import NUMBER, fraction
from text.numbers import cardinal, hundreds, ordinal, pairs, say_amount
from text.phonemes import dictionary_entry
from text.quantity import is_adjective, is_before_noun
from text.rule import DIGIT, SMALL, after, before, compiled, figure, near, rule, word_before
from text.tables import DIMENSIONS, HYPHENATED_UNITS, NUMBERED, STOPPED_UNITS, UNITS, Unit

_PER_UNIT = "|".join(sorted((unit for unit in UNITS if unit.isalpha() and len(unit) < 5), key=len, reverse=True))
_UNIT = "|".join(sorted(map(re.escape, UNITS), key=len, reverse=True))
_FRACTION = r"(?:\d{1,3}[ -])?\d{1,3}/\d{1,3}"
_SQUARED = {"2": "square", "²": "square", "^2": "square", "3": "cubic", "³": "cubic", "^3": "cubic"}
_ATTACHED = frozenset({"in", "ac", "bar", "pc", "hd"})  # words or names when a space stands before them
_SPACED = frozenset({"K", "t", "T", "pts"})  # "300 K" is kelvin, "300K" thousands
_ELECTRIC = frozenset({"V", "kV", "W", "kW"})  # "12 V batteries" are twelve volt batteries, whatever stands before
_OF_DEVICES = frozenset({"mAh", "Ah", "Wh", "MP", "dpi", "fps", "ct"})  # "a 5,000 mAh battery"
_A_NOUN = (r"[ -](?!(?:is|was|are|were|and|or|of|in|on|at|by|to|from|for|with|x|X|×|[WDHL]|[Dd]eep|[Ww]ide|[Ll]ong|"
           r"[Tt]all|[Hh]igh)\b)[A-Za-z]")
_PREFIXED_NAMES = frozenset("am is as at to me us it on of no or".split())
_COMPASS = {"N": "north", "S": "south", "E": "east", "W": "west"}
_DATA_RATE = ("modem|baud|link|data|network|line|serial|signal|speed|download|upload|transmi|transfer|codec|bit|"
              "internet|connection|stream|port|radio|terminal|channel|cable|telephone")
_INTEREST = "fed|rate|yield|bond|bank|spread|basis|interest|margin|loan|mortgage|treasur|inflation|market|stock|cut"
_JEWELS = "diamond|gold|ring|carat|gem|stone"
_PACKAGES = (r"(?:[a-z]+ )?(?:can|pkg|package|jar|box|bag|bottle|container|tin|tub|carton|packet|pack|block|loaf|piece|"
             r"sheet|tortilla|fillet|steak|bar|pouch|envelope|stick|roll|tube|bowl)(?:e?s)?\b")
_BEDROOMS = r"(\d{1,2})[ -]?(?:BR|BD|BDRM|br|bd|bdrm|bed)\.?"
_TYPE = "font|type|text|size|letters?|lettering|serif|arial|times|helvetica|star|buck|lead"


# A unit does not go on, nor stand before a slash or a hyphen that begins something else: "8GB/s" and "5W-30" are none.
_UNIT_ENDS = (r"(?![A-Za-z0-9²³'\"$]|[-&](?!old)[A-Za-z]|/(?![a-z]{3}|Gas)[A-Za-z]|"
              r"(?<![%°])(?<!°[CF])(?<![A-Za-z][A-Za-z])[-&/](?!\d+ ?(?:oz|lb|ml|fl)\b)\d)(?:(?<=[a-z])\.(?!\w))?")


@figure(DIGIT, rf"({_FRACTION}|{NUMBER})(?:\s(hundred|thousand|million|billion|trillion))?([ -]?)({_UNIT})"
               rf"([23²³]|\^[23])?(?:/({_PER_UNIT})([23²³]|\^[23])?)?{_UNIT_ENDS}")
def measurement(match: re.Match[str]) -> str | None:
    """5 km -> five kilometers, 3/4 tsp -> three quarters teaspoon, 5 m² -> five square meters."""
    amount, magnitude, space, unit, square, per, per_square = match.groups()
    if not _is_unit(match, unit, space):
        return None
    names = _names(match, unit)
    single = amount in ("1", "1.0") and not magnitude
    one = single or space == "-" or _describes(match, unit, names) or is_adjective(match)
    if "/" in amount and unit in ("Hz", "kHz", "V", "GB", "TB"):  # "50/60 Hz"
        said = " or ".join(map(say_amount, amount.split("/")))
    elif "/" in amount:
        said = fraction.say(compiled(fraction.pattern).match(amount))
        one = " and " not in said or is_adjective(match)
    else:
        said = say_amount(amount) + (f" {magnitude.lower()}" if magnitude else "")
    name = f"{_SQUARED[square] + ' ' if square else ''}{names.one if one else names.many}"
    if per:
        name += f" per {_per(per, per_square)}"
    return f"{said} {name}"


def _describes(match: re.Match[str], unit: str, names: Unit) -> bool:
    """True before what makes of the amount an adjective: '12 pt type', '9 V cells', 'mAh battery', '16 oz package'."""
    if unit == "pt" and re.match(r" [a-z]", after(match, 2)) and names.one == "point":
        return True
    is_electric = unit in _ELECTRIC
    return (is_electric and re.match(r" ones?\b", after(match, 5)) is not None  # "a 9V one"
            or compiled(rf" {_PACKAGES}").match(match.string, match.end()) is not None
            or (is_electric or unit in _OF_DEVICES) and is_before_noun(match, plural=is_electric and match[3] == " "))


@figure(".", r"(\.\d+)[ -]?([A-Za-z%]{1,4})(?![A-Za-z0-9])(?:(?<=[a-z])\.(?!\w))?")
def decimal_and_unit(match: re.Match[str]) -> str | None:
    """.38 sec. -> point three eight seconds."""
    names = UNITS.get(match[2])
    return f"{say_amount(match[1])} {names.many}" if names else None


def _per(unit: str, square: str | None) -> str:
    """What stands after "per": 'square meter', but 'second squared'."""
    name = UNITS[unit].one
    if not square:
        return name
    return f"{name} {'squared' if '2' in square or '²' in square else 'cubed'}" if name == "second" else (
        f"{_SQUARED[square]} {name}")


def _is_unit(match: re.Match[str], unit: str, space: str) -> bool:
    """Returns whether the letters after a number are this unit, and not a word, a name or a seat."""
    is_length = unit == "in" and re.match(r" of [a-z]+\b(?<!the)(?<!them)", after(match, 20))  # "3 in of tape"
    if space and unit in _ATTACHED and not is_length or unit in _SPACED and space != " ":
        return False
    if space == "-" and unit not in HYPHENATED_UNITS or space == " " and unit in _PREFIXED_NAMES:
        return False
    if len(unit) == 1 and unit.isalpha() and word_before(match).lower() in NUMBERED:  # "Route 7W", "Seat 12C"
        return False
    if unit in ("W", "N", "A", "V", "S", "E", "J") and match[0][-1] == unit and re.match(
            r"\. ?(?:[A-Z](?!\w* [a-z])|\d+(?:st|nd|rd|th))", after(match, 20)):  # "118 W. 72nd St."
        return False
    if len(unit) == 1 and unit.isupper() and re.match(r" (?:St|Ave|Rd|Blvd|Street|Avenue|Road)\b", after(match, 10)):
        return False  # "1530 K St."
    if unit in ("t", "T") and re.match(r" (?:shirt|cell|bone)s?\b", after(match, 8)):
        return False
    if unit == "in" and re.match(r"[ -]?(?:the|a|his|her|this|that|\d)\b", after(match, 6)):
        return False
    return not (unit == "K" and not near(match, "kelvin|temperature|degrees|cool|hot|warm|below|above|at", 30)
                and re.match(r"\s[a-z]+s\b", after(match, 20)))


def _names(match: re.Match[str], unit: str) -> Unit:
    """The unit's names; those that have two meanings are told apart by the words near them."""
    if unit == "pp" and near(match, _INTEREST + "|percent"):
        return Unit("percentage point", "percentage points")
    if unit == "bps" and (near(match, _INTEREST) or not near(match, _DATA_RATE)):
        return Unit("basis point", "basis points")
    if unit == "ct" and match[1].isdecimal() and int(match[1]) > 5 and not near(match, _JEWELS):
        return Unit("count", "count")
    if unit == "pt" and (near(match, _TYPE) or match[3] == "-"):
        return Unit("point", "points")
    if unit == "pts" and re.match(r"\.? of (?:milk|cream|water|stock|broth|beer|ale|blood)", after(match, 16)):
        return Unit("pint", "pints")
    return UNITS[unit]


@figure(DIGIT, rf"({_FRACTION}|{NUMBER}) ?({'|'.join(map(re.escape, STOPPED_UNITS))})(?:\.(?=[ ,;)]|$)|(?<=[ ][Ttc])"
        rf"(?= (?!of\b|and\b|or\b|shirts?\b|cells?\b|bones?\b)[a-z]{{3}}))")
def recipe_unit(match: re.Match[str]) -> str | None:
    """2 c. sugar -> two cups sugar, 2 T butter -> two tablespoons butter."""
    names = STOPPED_UNITS[match[2]]
    if match[2] in ("no", "st", "rev") and not re.match(r" [a-z]", after(match, 2)):
        return None
    if "/" in match[1]:
        said = fraction.say(compiled(fraction.pattern).match(match[1]))
        return f"{said} {names.many if ' and ' in said else names.one}"
    return f"{say_amount(match[1])} {names.one if match[1] == '1' else names.many}"


@rule(DIGIT, rf"({NUMBER}) \(({NUMBER})[- ]?(oz|ounce|lb|pound|g|gram|ml|mL|inch|in)\.?\) (?={_PACKAGES})", needs="(")
def package_size(match: re.Match[str]) -> str:
    """'1 (14.5 oz) can tomatoes' -> one fourteen point five ounce."""
    unit = UNITS[match[3]].one if match[3] in UNITS else match[3]
    return f"{say_amount(match[1])} {say_amount(match[2])} {unit}"


@rule(DIGIT, r"(\d{1,2})[kK](?= (?:[a-z]+ )?(?:gold|ring|necklace|bracelet)\b)")
def karat(match: re.Match[str]) -> str:
    """'14K gold' -> fourteen karat."""
    return f"{cardinal(match[1])} karat"


@rule(DIGIT, r"(\d)[ -]?BR(?![A-Za-z/])")
def bedrooms(match: re.Match[str]) -> str:
    """'a 2BR apartment' -> two bedroom."""
    return f"{cardinal(match[1])} bedroom"


@rule(DIGIT, rf"{_BEDROOMS}(?: ?[/,] ?| )(\d{{1,2}}(?:\.5)?)[ -]?(?:BA|ba|bath)\.?(?![A-Za-z])")
def rooms(match: re.Match[str]) -> str:
    """2BR/1BA -> two bedrooms, one bath."""
    return (f"{cardinal(match[1])} bedroom{'' if match[1] == '1' else 's'}, "
            f"{say_amount(match[2])} bath{'' if match[2] == '1' else 's'}")


@rule(DIGIT, r"(480|720|1080|1440|2160)(p|i)(?![\w-])")
def resolution(match: re.Match[str]) -> str:
    """1080p -> ten eighty P."""
    number = hundreds(match[1]) if len(match[1]) == 3 else pairs(match[1])
    return f"{number} {match[2].upper()}"


@rule(DIGIT, r"1/(\d{2,5}) ?(?:s|sec|second)\b\.?(?! of)", needs="/")
def part_of_a_second(match: re.Match[str]) -> str:
    """'at 1/250 s' -> one two hundred fiftieth of a second."""
    return f"one {ordinal(match[1])} of a second"


@rule(DIGIT, r"(\d+)[ -]?(?:ft|feet|foot|')\.?[ -]?(\d+(?:\.\d+)?|\d+ \d/\d|\d/\d)[ -]?(?:in|ins|inch|inches)\b\.?"
      r"(?= [a-z]|[,;:)]|$)?")
def feet_and_inches(match: re.Match[str]) -> str:
    """5 ft 8 in -> five feet eight inches."""
    return (f"{cardinal(match[1])} {'foot' if match[1] == '1' else 'feet'} "
            f"{_say_length(match[2])} {'inch' if match[2] == '1' else 'inches'}")


@rule(DIGIT, r"([4-7])'(\d|1[01])(?![\w'\"])", needs="'")
def height_without_inches(match: re.Match[str]) -> str:
    """5'9 -> five nine."""
    return f"{cardinal(match[1])} {cardinal(match[2])}"


@rule(DIGIT, r"(\d+)'\s?-?(\d{1,2}(?:\.\d)?|\d{1,2} \d/\d)(?:\"|'')", needs="'")
def height(match: re.Match[str]) -> str:
    """5'10" -> five feet ten."""
    return f"{cardinal(match[1])} {'foot' if match[1] == '1' else 'feet'} {_say_length(match[2])}"


@rule(DIGIT, rf"({_FRACTION}|{NUMBER})(?:\s?-?(?:in\.(?= [a-z]|[,;:)]|\s*$)|inch\.)|-in\.(?= [A-Z]))")
def inches(match: re.Match[str]) -> str:
    """30 in. -> thirty inches."""
    one = match[1] == "1" or is_adjective(match) or _is_below_one(match[1]) or "-in" in match[0]
    return f"{_say_length(match[1])} {'inch' if one else 'inches'}"


@figure(DIGIT, rf"({_FRACTION}|{NUMBER})(\"|''|')(?!(?!x\s?\d)[\w'\"])", needs='"\'')
def inch_or_foot_mark(match: re.Match[str]) -> str | None:
    """32" -> thirty-two inch, 8' -> eight foot before a noun; not the end of a quotation."""
    mark = '"' if match[2] == "''" else match[2]
    left = before(match, 400)
    if mark == '"' and _quote_is_open(left) or mark == "'" and _single_quote_is_open(left):
        return None
    if mark == '"' and re.match(r"\s?[x×]\s?\d+(?:\"|'')", after(match, 8)):  # 13"x9": thirteen by nine inches
        return _say_length(match[1])
    one, many = ("inch", "inches") if mark == '"' else ("foot", "feet")
    noun = compiled(_A_NOUN).match(match.string, match.end())
    said = _say_length(match[1])
    single = match[1] == "1" or _is_below_one(match[1]) or is_adjective(match) or noun and _is_size(match)
    return f"{said} {one if single else many}"


@figure(DIGIT, rf"({_FRACTION}|{NUMBER})\s?(\"|''|in\.?|cm|mm)\s?([{''.join(DIMENSIONS)}])(?![A-Za-z'-])")
def dimension(match: re.Match[str]) -> str:
    """12.5"W x 8"D -> twelve point five inches wide by eight inches deep."""
    unit = UNITS[match[2].rstrip(".")] if match[2].isalpha() or "." in match[2] else UNITS["in"]
    return f"{_say_length(match[1])} {unit.one if match[1] == '1' else unit.many} {DIMENSIONS[match[3]]}"


def _is_below_one(written: str) -> bool:
    """True for a fraction without a whole: '3/8'."""
    return "/" in written and " " not in written and "-" not in written


def _quote_is_open(left: str) -> bool:
    """Returns whether a double quote before this place is still open."""
    return len(re.findall(r"(?<![^\s(\[])\"(?=\S)", left)) > len(re.findall(r"(?<=[^\s\d])\"", left))


def _single_quote_is_open(left: str) -> bool:
    """Returns whether a single quote before this place is still open."""
    return len(re.findall(r"(?<![^\s(\"])'(?=[A-Za-z])", left)) > len(re.findall(r"(?<=[\w.,!?])'(?![A-Za-z])", left))


def _is_size(match: re.Match[str]) -> bool:
    """True before a noun, 'a 14" pipe', not before what describes a length: '3 feet long'."""
    return is_adjective(match) or not re.match(r"[ -](?:long|wide|tall|high|deep|thick|apart|away|off|across)\b",
                                               after(match, 8))


def _say_length(written: str) -> str:
    """Returns a number or a fraction as words."""
    return fraction.say(compiled(fraction.pattern).match(written)) if "/" in written else say_amount(written)


@rule(DIGIT, r"(\d{1,3}(?:\.\d+)?)°\s?(\d{1,2}(?:\.\d+)?)'(?:\s?(\d{1,2}(?:\.\d+)?)(?:\"|''))?(?:\s?([NSEW])\b)?",
      needs="°")
def angle(match: re.Match[str]) -> str:
    """41°24'12" N -> forty-one degrees twenty-four minutes twelve seconds north."""
    said = [f"{say_amount(part.lstrip('0') or '0')} {name}{'' if part == '1' else 's'}"
            for part, name in zip(match.groups()[:3], ("degree", "minute", "second")) if part]
    return " ".join(said + ([_COMPASS[match[4]]] if match[4] else []))


@figure(DIGIT, r"(\d{1,4}(?:\.\d+)?)(?:(?<=\d\d|\.\d|-\d) (?=[FC](?:[,;.)]|$| (?:for|until|and|or|in|then))))?([FC])"
               r"(?![\w'&-]|\.\w)")
def temperature(match: re.Match[str]) -> str | None:
    """95F -> ninety-five degrees fahrenheit; not seat 12C nor a bra in 34C."""
    previous = word_before(match)
    if previous.lower() in NUMBERED or near(match, "seat|gate|flight|platform|boarding|bra|size|battery|dress", 25):
        return None
    if previous[:1].isupper() and previous.lower() not in ("at", "to", "of", "around", "about", "it's", "below"):
        return None
    return f"{say_amount(match[1])} degree{'' if match[1] == '1' else 's'} " + (
        "fahrenheit" if match[2] == "F" else "celsius")


@rule(SMALL, r"(degrees?) ([CF])(?![A-Za-z'-])(?:\.(?= [a-z]))?")
def degrees_with_letter(match: re.Match[str]) -> str:
    """'43 degrees C' -> degrees celsius."""
    return f"{match[1]} {'celsius' if match[2] == 'C' else 'fahrenheit'}"


@figure(DIGIT, r"(\d{2,3}) ?([cf])(?![\w'&-]|\.\w)")
def oven_temperature(match: re.Match[str]) -> str | None:
    """'Heat the oven to 200c' -> two hundred degrees celsius."""
    if not near(match, "oven|bake|roast|pre-?heat|heat|temp|degrees|fan", 40):
        return None
    return f"{cardinal(match[1])} degrees {'celsius' if match[2] == 'c' else 'fahrenheit'}"


@figure(DIGIT, r"(\d+(?:\.\d+)?) ?A(?![\w'&-]|\.\w)")
def amperes(match: re.Match[str]) -> str | None:
    """'a 2A charger' -> two amp; a seat or a flat is no current."""
    if word_before(match).lower() in NUMBERED or not near(
            match, r"\d+ ?V\b|volts?|adapt[eo]r|charger|fuse|current|amps?|USB|outlet|breaker|circuit|[AD]C\b", 30):
        return None
    return f"{say_amount(match[1])} amp{'' if match[1] == '1' or re.match(r' [a-z]', after(match, 2)) else 's'}"


@rule(SMALL, r"per ([a-zA-Z]{2,5})(?![A-Za-z])")
def unit_after_per(match: re.Match[str]) -> str | None:
    """'$80 per bbl' -> per barrel; not 'per bar', which is a word."""
    unit = UNITS.get(match[1])
    return f"per {unit.one}" if unit and (match[1] == "min" or not dictionary_entry(match[1].lower())) else None


@rule(DIGIT, r"\d ?x (?=\d)(?!10[\^⁰¹²³⁴⁵⁶⁷⁸⁹⁻])|\dx(?=\d+\s?(?:m|km|MB|GB|TB|mm|g|ml|mL|oz|kg)\b)")
def count_of_parts(match: re.Match[str]) -> str | None:
    """Reads the first number of a product of lengths: 4x100m -> four by ...; the unit is read with the next number.

    Before an amount of food it counts packages: '2 x 400g tins' -> two.
    """
    food = compiled(r"\d+(?:\.\d+)?[ -]?(?:g|kg|ml|mL|l|L|oz|lb|lbs|GB|TB|quart|pound|ounce)\b")
    return cardinal(match[0][0]) + ("" if food.match(match.string, match.end()) else " by")
