"""Rules for abbreviations with full stops: titles, streets, 'No. 7', initials, and the references of books and law."""
import re

from text.numbers import cardinal
from text.rule import CAPITAL, DIGIT, LETTER, SMALL, after, before, begins_line, compiled, rule, word_before
from text.stops import LETTER_AFTER, ends_sentence, has_number
from text.tables import (
    ABBREVIATIONS,
    ALSO_A_WORD,
    BARE_TITLES,
    BEFORE_NUMBERS,
    BIBLE_BOOKS,
    DOTTED,
    JOBS,
    JOURNALS,
    LABELS,
    NEVER_LAST,
    NUMBERED_THINGS,
    STREETS,
    TITLES,
    WITHOUT_STOP,
)

_END = r"(?![A-Za-z0-9])"
_DOTTED = "|".join(re.escape(key).replace(r"\.", r"\.\s?").removesuffix(r"\s?")
                   for key in sorted(DOTTED, key=len, reverse=True))
_ALSO_WORDS = frozenset("is cos sq ct av ter".split())  # of the streets, those that only count after a name
_WITHOUT_STOP = frozenset("ste fig figs vol vols ch chap eq eqs sec pp pg bldg apt rm ext".split())
_COUNTED = NUMBERED_THINGS | frozenset("a the my your his her this that".split())
_ARTICLES = frozenset("a an the this that its their his her our your my".split())
_JOURNAL = "|".join(key.title() for key in sorted(JOURNALS, key=len, reverse=True))
_ORDINALS = {"1": "first ", "2": "second ", "3": "third ", "I": "first ", "II": "second ", "III": "third "}


@rule(CAPITAL + DIGIT, r"(?:([123]|I{1,3}) )?([A-Z][a-z]{1,14}(?: of [A-Z][a-z]{1,9})?)\.? (\d{1,3})(?::(\d{1,3})"
      r"(?:\s?[-–]\s?(?:(\d{1,3}):)?(\d{1,3}))?)?(?![\d:])")
def bible_verse(match: re.Match[str]) -> str | None:
    """Rev. 3:20 -> revelation three twenty, 2 Timothy 3:16 -> second timothy three sixteen."""
    number, book, chapter, verse, last_chapter, last = match.groups()
    if book not in BIBLE_BOOKS or not verse and not ("." in match[0] and (number or book == "Ps")):  # "1 Cor. 13"
        return None
    said = f"{_ORDINALS[number] if number else ''}{BIBLE_BOOKS[book]} {cardinal(chapter)}"
    said += f" {cardinal(verse)}" if verse else ""
    return said + (f" to {cardinal(last_chapter) + ' ' if last_chapter else ''}{cardinal(last)}" if last else "")


@rule(LETTER, rf"(?i:{_DOTTED}){_END}")
def dotted_abbreviation(match: re.Match[str]) -> str | None:
    """e.g. -> for example, Ph.D. -> P H D."""
    low = re.sub(r"\.\s+", ".", match[0].lower())
    spaced = {key.replace(". ", "."): said for key, said in DOTTED.items()}
    return spaced.get(low) or spaced.get(low + ".")


@rule(LETTER, r"((?:[A-Za-z]\.){1,9}[A-Za-z])('s|s)?(?![A-Za-z.])|((?:[A-Za-z]\.){2,10})(?:'?(s)(?![A-Za-z]))?"
      r"(?![A-Za-z])")
def initials(match: re.Match[str]) -> str:
    """U.S.A. -> U S A."""
    letters = (match[1] or match[3]).replace(".", "")
    return " ".join(letters.upper()) + ("'s" if match[2] or match[4] else "")


@rule(CAPITAL, r"([A-Z])\.(?=\s?[A-Z])")
def initial(match: re.Match[str]) -> str | None:
    """The J. of 'J. Smith', but not the C. of 'vitamin C. It ...'."""
    if ends_sentence(match.string, match.end()) or word_before(match).lower() in LETTER_AFTER:
        return None
    return match[1]


@rule(CAPITAL, r"([A-Z])\.(?= [a-z]{3})")
def species(match: re.Match[str]) -> str | None:
    """The E. of 'E. coli', without a pause."""
    return match[1] if match[1] != "I" and word_before(match).lower() not in LETTER_AFTER - {"the", "an"} else None


@rule(CAPITAL, rf"(?:(?:{_JOURNAL}|N)\. ){{1,7}}(?:{_JOURNAL})\.{_END}")
def journal(match: re.Match[str]) -> str | None:
    """Nat. Med. -> nature medicine, 'N. Engl. J. Med.' -> new england journal of medicine."""
    *parts, last = match[0].lower().replace(".", "").split(" ")
    said = [JOURNALS[part][0] if part in JOURNALS else "new" for part in parts]
    return " ".join([*said, JOURNALS[last][1]]) if parts != ["n"] else None


@rule(SMALL + CAPITAL, r"[vV]\.(?= [A-Z])")
def case_name(match: re.Match[str]) -> str | None:
    """'Brown v. Board of Education' -> versus."""
    return "versus" if re.search(r"[A-Z]\S* $", before(match, 30)) else None


@rule(LETTER, r"([A-Za-z]{1,9}(?:'[a-z])?)\.(?![A-Za-z0-9])")
def abbreviation(match: re.Match[str]) -> str | None:
    """No. 7 -> number, Dr. -> doctor, St. -> saint or street, Inc. -> incorporated."""
    word, low = match[1], match[1].lower()
    county_road = low == "rd" and word_before(match)[:1].isupper()
    if has_number(low, match.string, match.end()) and not _is_unit_before(match) and not county_road:
        is_version = low == "v" and compiled(r" ?\d+\.\d").match(match.string, match.end())
        return "version" if is_version else BEFORE_NUMBERS[low]
    if low == "def" and re.match(r" [a-z]", after(match, 2)):  # "Def. pleads not guilty"
        return "defendant" if word[0].isupper() else None
    if low == "sat" and re.search(r"\d ?g $", before(match, 5)):  # "18 g fat (6 g sat.)"
        return "saturated"
    if word[0].isupper() and (low in TITLES or low in STREETS):
        return _title_or_street(match, low)
    if low == "approx" and word_before(match).lower() in _ARTICLES and re.match(r" [a-z]", after(match, 2)):
        return "approximate"
    if low in ("incl", "excl") and re.match(r"\s*$|[,;:)]", after(match, 4)):
        return "included" if low == "incl" else "excluded"
    if low in NEVER_LAST:
        return NEVER_LAST[low] if low != "re" else None
    if low == "no" and word_before(match).lower() in _COUNTED and re.match(r" [a-z]", after(match, 2)):
        return "number"
    if low in ALSO_A_WORD and re.match(r" [a-z]|,", after(match, 2)):
        return ALSO_A_WORD[low]
    if low in ABBREVIATIONS:
        return ABBREVIATIONS[low]
    return None


def _is_unit_before(match: re.Match[str]) -> bool:
    """True in '5 min. 20 sec.': the abbreviation belongs to the figure before it."""
    return match[1].lower() in ("min", "sec", "pt") and bool(re.search(r"\d\s?$", before(match, 3)))


def _title_or_street(match: re.Match[str], low: str) -> str | None:
    """Reads "St." as saint before a capital letter, else as street: 'St. James St.'."""
    text = match.string
    ends = ends_sentence(text, match.end())
    named = bool(re.match(r"\s+[A-Z]", after(match, 8))) and not ends
    following = compiled(r"\s([A-Za-z]+)").match(text, match.end())
    if low == "sr" and (not named or following and following[1].lower() in JOBS):  # "Sr. Editor", not "Sr. Agnes"
        return "senior"
    left = before(match, 40)
    after_name = bool(re.search(r"(?:[A-Z][a-z]+(?:'s)?|\b[A-Z]|\d(?:st|nd|rd|th))\s$", left))
    numbered = bool(re.search(r"\d\s(?:[NSEW]\.?\s)?(?:[A-Z][a-z]*\s|\d+(?:st|nd|rd|th)\s){1,2}$", left))
    quarter = bool(compiled(r" [NS]\.?[EW]\b").match(text, match.end()))
    if low == "cir" and compiled(r"\d(?:st|nd|rd|th) $").search(left):  # "9th Cir. 1997"
        return "circuit"
    if low in STREETS and (after_name and (numbered or not named or quarter) or low not in TITLES):
        return STREETS[low] if after_name or low not in _ALSO_WORDS else None
    if match[1].isupper() and not named:  # "3-1 at FT."
        return None
    return TITLES.get(low) if named or low not in STREETS or not after_name else STREETS[low]


@rule(CAPITAL, r"([A-Z][a-z]{1,7})\.?(?=:| \d)")
def label(match: re.Match[str]) -> str | None:
    """'Qty: 30', 'Wt: 150 lbs' -> quantity, weight; without a colon only at the start of a line."""
    return LABELS.get(match[1].lower()) if after(match, 1) == ":" or begins_line(match) else None


@rule(LETTER, r"[A-Za-z]{2,7}(?![A-Za-z0-9'.-])")
def abbreviation_without_stop(match: re.Match[str]) -> str | None:
    """'the govt said', 'approx 20' -> government, approximately."""
    return WITHOUT_STOP.get(match[0].lower())


@rule(CAPITAL, r"([A-Z][a-z]{1,6})(?=\s[A-Z])")
def title_without_stop(match: re.Match[str]) -> str | None:
    """Mr Smith -> mister smith."""
    return BARE_TITLES.get(match[1].lower())


@rule(CAPITAL, r"(Ave|Blvd|Pkwy|Hwy|Rd|Dr|Ln|St|Ct|Pl|AVE|BLVD|PKWY|HWY|RD|DR|LN|ST|CT|PL)(?![\w.'-])")
def street_without_stop(match: re.Match[str]) -> str | None:
    """'131 North Broadway Ave, Albert Lea', '9 ELM ST APT 4' -> avenue, street."""
    left = before(match, 50)
    numbered = compiled(r"\d[A-Z]?\s(?:[NSEW]\.?\s)?(?:[A-Z][A-Za-z]+\s|\d+(?i:st|nd|rd|th)\s){1,3}$").search(left)
    sure = match[1] in ("Ave", "Blvd", "Pkwy") and compiled(r"(?:[A-Z][a-z]+|\d(?:st|nd|rd|th))\s$").search(left)
    return STREETS[match[1].lower()] if numbered or sure else None


@rule(LETTER, r"([A-Z][a-z]{1,6}|ch|chap|pg|vol|fig|APT|STE|BLDG|RM) (?=\d)")
def bare_number_abbreviation(match: re.Match[str]) -> str | None:
    """'Fig 3', 'Vol 2', 'ch 4' without a stop."""
    low = match[1].lower()
    return BEFORE_NUMBERS[low] if low in _WITHOUT_STOP else None


@rule(LETTER, r"(Re|RE|re|Fwd?|FWD?)(?=:)", needs=":")
def subject_line(match: re.Match[str]) -> str | None:
    """'Re: Your order', 'a word re: it' -> the word {R IY1}; 'Fwd: Your order' -> forward."""
    led = compiled(r"(?:Re|RE|Fwd?|FWD?|Subject): $").search(before(match, 9))
    if match[1] != "re" and not begins_line(match) and not led:
        return None
    return "{R IY1}" if match[1].lower() == "re" else "forward"
