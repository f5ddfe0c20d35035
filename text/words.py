"""Rules for words: elisions, genitives, and every other word."""
import re

from text.phonemes import pronounce
from text.rule import LETTER, SMALL, after, before, compiled, rule, word_before
from text.tables import ABBREVIATIONS, AFTER_I, ELISION_ENDS, ELISIONS, SHAPES

_OPENING_QUOTE = r"(?:^|(?<=[\s(\"—]))'(?!(?:tis|twas|em|til|cause|bout|n)\b)(?=[A-Za-z])"
_CLOSING_QUOTE = r"(?<=[,.!?])'(?![A-Za-z])"
_ANY_CLOSING_QUOTE = r"'(?![A-Za-z])"


@rule(LETTER, r"([Ii]ll|[Ii]d) (?=([a-z]+))")
def without_apostrophe(match: re.Match[str]) -> str | None:
    """'ill let you know', 'id love to' -> i'll, i'd; not 'ill people'."""
    if match[2] not in AFTER_I or word_before(match).lower() in ("is", "was", "were", "are", "be", "an", "the", "your"):
        return None
    return "i'll" if match[1][1:] == "ll" else "i'd"


@rule("'", r"'[A-Za-z]+'?")
def elision_at_start(match: re.Match[str]) -> str | None:
    """'tis, 'em, 'n'."""
    low = match[0].lower()
    return SHAPES.get(low, low) if low in ELISIONS else None


@rule(LETTER, r"([A-Za-z]{1,20})'(?![A-Za-z'])", needs="'")
def elision_at_end(match: re.Match[str]) -> str | None:
    """doin', an', ol'; not the last word of a quotation in single quotes."""
    low = match[1].lower()
    if not (low in ELISION_ENDS or low.endswith("in") and len(low) > 3) or _closes_quotation(match):
        return None
    return low + "'"


@rule(LETTER, r"[A-Za-z]{1,30}(?:'[A-Za-z]{1,30})?s'(?![A-Za-z])", needs="'")
def plural_genitive(match: re.Match[str]) -> str | None:
    """The dogs' of 'the dogs' bones'; not the last word of a quotation in single quotes."""
    return None if _closes_quotation(match) else match[0].lower()


def _closes_quotation(match: re.Match[str]) -> bool:
    """True if a single quote is open before the match and the match's own apostrophe is the one that closes it."""
    left = before(match, 200)
    opened = max((quote.start() for quote in compiled(_OPENING_QUOTE).finditer(left)), default=-1)
    if opened < 0 or compiled(_ANY_CLOSING_QUOTE).search(left, opened + 2):
        return False
    later = after(match, 200)
    closing, opening = compiled(_CLOSING_QUOTE).search(later), compiled(_OPENING_QUOTE).search(later)
    return not (re.match(r" [a-z]", later) and closing and not (opening and opening.start() < closing.start()))


@rule(SMALL, r"(?![a-z]*[aeiouy])[a-z]{2,5}('?s)?(?![A-Za-z'-])")
def letters_without_a_vowel(match: re.Match[str]) -> str | None:
    """'ssh', 'https', 'pdfs' -> S S H; not 'hmm', which the dictionary knows."""
    if match[0] in ABBREVIATIONS:  # "a few hrs ago"
        return ABBREVIATIONS[match[0]]
    plural = match[1] or ("s" if match[0].endswith("s") and len(match[0]) > 3 else "")
    letters = match[0].removesuffix(plural)
    if pronounce(match[0]) or not plural and match[0][-1] * 2 == match[0][-2:]:
        return None
    return " ".join(letters.upper()) + ("'s" if plural else "")


@rule(LETTER, r"([A-Za-z]{2,})\((e?s)\)", needs="(")
def optional_plural(match: re.Match[str]) -> str:
    """clove(s) -> cloves."""
    return (match[1] + match[2]).lower()


@rule(LETTER, r"[A-Za-z]+(?:'[A-Za-z]+)*(?:-[A-Za-z]+(?:'[A-Za-z]+)*)*")
def word(match: re.Match[str]) -> str:
    """Any other word, in small letters; words with hyphens are one."""
    return match[0].lower()
