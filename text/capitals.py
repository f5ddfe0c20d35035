"""Rules for capitals and letters among digits: acronyms, formulas, single letters, mixed case."""
import functools
import re

from text.numbers import cardinal, hundreds, plural, say_whole, spell_digits
from text.phonemes import dictionary_entry, is_spelled
from text.rule import CAPITAL, LETTER, SMALL, after, before, compiled, near, rule, word_before
from text.stops import LETTER_AFTER
from text.tables import ALSO_WORDS, ELEMENTS, EMPHASIZED, LETTERED, NEAR_WORDS, PRONOUNCED, SPELLED

_DOERS = frozenset("i you we they to will can would please".split())
_ELEMENT = "|".join(sorted(ELEMENTS, key=len, reverse=True))
_FORMULA = rf"(?:(?:{_ELEMENT})\d{{0,2}}|\((?:(?:{_ELEMENT})\d{{0,2}}){{1,4}}\)\d{{1,2}}){{1,12}}"


def spell(letters: str) -> str:
    """Returns the letters of a word one by one: 'bbc' -> 'B B C'."""
    return " ".join(letters.upper())


@functools.lru_cache(maxsize=8)
def _is_shouting(text: str) -> bool:
    """True for a text all in capitals that holds several ordinary words: then capitals mark no acronym."""
    if text != text.upper():
        return False
    words = re.findall(r"[A-Z]{2,}", text[:2000])
    known = [word for word in words
             if dictionary_entry(word.lower()) and not is_spelled(word.lower())
             and (word not in SPELLED or word in ALSO_WORDS)]
    return len(known) >= 2 and 2 * len(known) > len(words)


def say_capitals(word: str, shouting: bool = False) -> str:
    """'BBC' -> 'B B C', 'NASA' -> 'nasa', 'STOP' -> 'stop'; shouting: the text around is all in capitals too."""
    if word in PRONOUNCED:
        return PRONOUNCED[word]
    low = word.lower()
    if len(word) == 1 or word in SPELLED and not (shouting and word in ALSO_WORDS) or is_spelled(low):
        return spell(word)
    if dictionary_entry(low) and (len(word) > 2 or shouting or low in EMPHASIZED):
        return low
    if not re.search("[AEIOUY]", word) or len(word) <= (3 if shouting else 5):
        return spell(word)
    return low


@rule(CAPITAL, r"([A-Z]{2,})('s|s'|s|(?<=[SXZ])es)?(?![A-Za-z'])")
def acronym(match: re.Match[str]) -> str:
    """IBM's -> I B M's, CEOs -> C E O's, STOP -> stop."""
    word = match[1]
    if word in ("WHO", "US") and word_before(match).lower() == "the":
        return spell(word)
    if word == "DO" and word_before(match).lower() in _DOERS:
        return "do"
    said, words = NEAR_WORDS.get(word, ("", ""))
    if not said or not near(match, words, 30):
        said = say_capitals(word, _is_shouting(match.string))
    if not match[2]:
        return said
    return said + ("'s" if len(said.split()[-1]) == 1 or match[2] == "'s" else "s")


@rule(CAPITAL, r"([A-Z](?:&[A-Z]){1,4})('s|s)?(?![A-Za-z&])", needs="&")
def letter_and_letter(match: re.Match[str]) -> str:
    """A&E -> A and E, M&Ms -> M and M's."""
    return match[1].replace("&", " and ") + ("'s" if match[2] else "")


@rule(CAPITAL, r"[A-Z][A-Za-z\d]{0,30}(?:\([A-Za-z\d]{1,12}\)\d{1,2}[A-Za-z\d]{0,20}){0,4}[+-]?(?![A-Za-z0-9'])")
def formula(match: re.Match[str]) -> str | None:
    """CO2 -> C O two, NaOH -> N A O H, C6H12O6; not a word such as 'Cat' or 'HO'."""
    word = match[0].rstrip("+-")
    if word.istitle() and word.isalpha() or not compiled(_FORMULA).fullmatch(word):
        return None
    elements = re.findall(_ELEMENT, word)
    has_digit = any(character.isdecimal() for character in word)
    mixed = 1 < len(elements) <= len(word) <= 6 and not re.fullmatch("[A-Z][a-z]+|[A-Z]+s?", word)
    if not (has_digit and len(word) > 1 or mixed) or re.fullmatch(r"[A-Z]\d+", word) and word not in _MOLECULES:
        return None
    return " ".join(cardinal(part) if part.isdecimal() else spell(part) for part in re.findall(r"\d+|[A-Za-z]+", word)
                    ) + (f" {'plus' if match[0][-1] == '+' else ''}".rstrip() if match[0][-1] in "+-" else "")


@rule(CAPITAL, r"[A-Z][a-z]?(?=\))", needs=")")
def symbol_of_an_element(match: re.Match[str]) -> str | None:
    """'iron (Fe)' -> F E; 'helium (He)', but not 'he said (He lied)'."""
    named = compiled(r"([A-Za-z])[a-z]+ \($").search(before(match, 16))
    if match[0] not in ELEMENTS or not named or len(match[0]) == 1:
        return None
    return spell(match[0]) if named[1].upper() == match[0][0] or not dictionary_entry(match[0].lower()) or (
        match[0] in ("Fe", "Au", "Ag", "Pb", "Na", "Sn", "Cu", "Sb", "Hg")) else None


_MOLECULES = frozenset("H2 N2 O2 O3 F2 C60".split())


@rule(SMALL, r"([a-z]{1,2})([A-Z]{2,})(s)?(?![A-Za-z0-9])")
def mixed_case(match: re.Match[str]) -> str:
    """tRNA -> T R N A, cDNA."""
    return spell(match[1] + match[2]) + ("'s" if match[3] else "")


@rule(LETTER, r"[A-Za-z]+-?\d[A-Za-z\d]*(?:(?<=\d)'s)?")
def letters_and_digits(match: re.Match[str]) -> str | None:
    """F16, COVID-19, MP3, KX47: letters and numbers in turn."""
    if match[0][:4] in ("UTC-", "GMT-"):
        return f"{spell(match[0][:3])} minus {say_whole(match[0][4:])}"
    if "-" in match[0] and not re.match(r"[A-Z]{1,3}-|[A-Z]+-", match[0]):
        return None
    ending = compiled(r"[A-Z][\w-]*\d('?s)").fullmatch(match[0])  # MP3s, F-16's
    said = []
    for part in re.findall(r"[A-Za-z]+|\d+", match[0].removesuffix(ending[1]) if ending else match[0]):
        if part.isdecimal():
            said.append(hundreds(part) if len(part) == 3 else spell_digits(part) if len(part) > 4 else
                        say_whole(part, years=len(part) == 4))
        else:
            spelled = len(part) < 3 or not re.search("[aeiouyAEIOUY]", part)  # NFSv4
            said.append(say_capitals(part) if part.isupper() else spell(part) if spelled else part.lower())
    code = " ".join(said)
    return code if not ending else plural(code) if ending[1] == "s" else code + "'s"


@rule(CAPITAL, r"([A-Z])('s)?(?![A-Za-z'&])")
def single_letter(match: re.Match[str]) -> str:
    """'plan B', 'a D's'; A and I may be words."""
    letter = match[1]
    if match[2]:
        return f"{letter}'s"
    previous = word_before(match)
    stopped = previous.istitle() and before(match, 2) == ". " and previous.lower() in LETTERED  # "App. A"
    if (previous.lower() in LETTER_AFTER or stopped) and letter != "I":
        return letter
    listed = compiled(r" (?:and|or|to|&) [A-Z](?![\w'])").match(match.string, match.end())  # "groups A and B"
    article = letter == "A" and not listed and re.match(r"\s+[\w$£€\"'(]", after(match, 9))
    return letter.lower() if letter == "I" or article else letter


@rule(SMALL, r"([a-z]{2,3})(?:\^?([23²³]))(?![\w²³])")
def product_of_letters(match: re.Match[str]) -> str | None:
    """'E = mc²' -> M C squared; not the unit of '5 cm²' nor the mark of a footnote."""
    if not compiled(r"[=+*/(] ?$").search(before(match, 2)) or match[2] in "23" and "^" not in match[0]:
        return None
    return f"{spell(match[1])} {'squared' if match[2] in '2²' else 'cubed'}"


@rule(SMALL, r"[a-z]{2}(?![\w'])")
def product_of_two_letters(match: re.Match[str]) -> str | None:
    """'F = ma' -> M A."""
    in_equation = compiled(r"(?:^|[\s(])[A-Za-z] = $").search(before(match, 6))
    return spell(match[0]) if in_equation and match[0] not in EMPHASIZED else None


@rule(SMALL, r"[a-hj-z](?![A-Za-z'])")
def small_letter(match: re.Match[str]) -> str | None:
    """'x + y' -> X plus Y; i is a word, o is left as it is, and a is a letter beside an operator only."""
    is_item = after(match, 1) == ")" and before(match, 1).strip() in ("", "(")  # "(a) apples, (b) pears"
    if match[0] == "a" and not (is_item or re.match(r"\s?[=<>!&|+*/^²³⁰¹⁴⁵⁶⁷⁸⁹]", after(match, 2)) or
                                re.search(r"[=<>|+*^]\s?$|[/&]$", before(match, 2))):
        return None
    return match[0] if match[0] == "o" else match[0].upper()


@rule(SMALL, r"(sin|cos|tan|ln|log)\((?=[\dA-Za-z])", needs="(")
def named_function(match: re.Match[str]) -> str:
    """'sin(30°)' -> sine of."""
    return {"sin": "sine", "cos": "cosine", "tan": "tangent", "ln": "natural log", "log": "log"}[match[1]] + " of"


@rule(LETTER, r"([f-hpu-wyFGP])('{0,2})\(([nrtx-z]|(?<=[f-h]\()\d)\)", needs="(")
def function_of(match: re.Match[str]) -> str:
    """f(x) -> F of X, f'(x) -> F prime of X."""
    primes = ("", " prime", " double prime")[len(match[2])]
    return f"{match[1].upper()}{primes} of {cardinal(match[3]) if match[3].isdecimal() else match[3].upper()}"


@rule(CAPITAL, r"(X{0,3}S|M|L|X{1,3}L) ?[-–] ?(M|L|X{1,3}L)(?![\w-])", needs="-–")
def sizes(match: re.Match[str]) -> str:
    """S-XL -> S to X L."""
    return f"{spell(match[1])} to {spell(match[2])}"


@rule(CAPITAL, r"[WDHL](?: ?[x×] ?[WDHL]){1,2}(?![\w-])")
def dimensions(match: re.Match[str]) -> str:
    """'(W x D x H)' -> width by depth by height."""
    names = {"W": "width", "D": "depth", "H": "height", "L": "length"}
    return " by ".join(names[letter] for letter in re.findall("[A-Z]", match[0]))


@rule(SMALL, r"([a-z]+)((?:[A-Z][a-z]+)+)(?![A-Za-z'])")
def camel_case(match: re.Match[str]) -> str:
    """getUserName -> get user name."""
    return " ".join([match[1], *compiled("[A-Z][a-z]+").findall(match[2])]).lower()


@rule(CAPITAL, r"([A-Z]{2,4})([A-Z][a-z]{2,})(?![A-Za-z'])")
def letters_and_word(match: re.Match[str]) -> str:
    """JPMorgan -> J P morgan."""
    return f"{spell(match[1])} {match[2].lower()}"


@rule(CAPITAL, r"[A-Z][a-z]*(?:[A-Z][a-z]+)+(?![A-Za-z'])")
def joined_words(match: re.Match[str]) -> str | None:
    """YouTube -> you tube, if the dictionary knows the parts and not the whole; 'McDonald' is one word."""
    parts = compiled(r"[A-Z][a-z]*").findall(match[0])
    if dictionary_entry(match[0].lower()) or parts[0] in ("Mc", "Mac", "De", "Di", "La", "Le", "Van", "Fitz"):
        return None
    return " ".join(part.lower() if len(part) > 1 else part for part in parts)
