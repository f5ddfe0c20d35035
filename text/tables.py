"""The reader's data tables: text files under text/data/, one entry a line, that anyone can extend.

A line is `key  value  value`: columns separated by two or more spaces (a key or a value may hold single spaces).
`[name]` begins a section, `#` at the start of a line a comment.
"""
import re
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent / "data"
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December")

Section = dict[str, tuple[str, ...]]


class Unit(NamedTuple):
    """A unit of measurement: the words for one of it and for several."""
    one: str
    many: str


def load(name: str) -> dict[str, Section]:
    """Returns the sections of text/data/`name`.txt, each a dict from the first column to the others."""
    sections: dict[str, Section] = {}
    section: Section = {}
    for line in (FOLDER / f"{name}.txt").read_text(encoding="utf-8").split("\n"):
        if not line or line[0] == "#" and not line.startswith("#  "):  # "#" is also a sign that has an entry
            continue
        if line[0] == "[" and line[-1] == "]":
            section = sections.setdefault(line[1:-1], {})
        else:
            key, *values = [column.strip() for column in line.split("  ") if column.strip()]
            section[key] = tuple(values)
    return sections


def load_rows(name: str) -> list[list[str]]:
    """The lines of text/data/`name`.txt, split into columns, for a table in which a word may have several lines."""
    lines = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [re.split(r"\s{2,}", line.strip()) for line in lines if line and line[0] != "#"]


def _words(section: Section) -> dict[str, str]:
    """Returns a section's keys with their first values."""
    return {key: values[0] for key, values in section.items()}


def _word_set(section: Section) -> frozenset[str]:
    """The words of a section in which each line holds several, separated by single spaces."""
    return frozenset(word for line in section for word in line.split(" "))


def _all_units(sections: dict[str, Section]) -> dict[str, Unit]:
    """Every unit with the prefixes that it is seen with: 'km', 'mg', 'GHz'."""
    units = {}
    prefixes = {"-": "", **_words(sections["prefix"])}
    for symbol, (one, many, allowed) in sections["base"].items():
        for prefix in allowed.split(" "):
            written = prefix.replace("-", "") + symbol
            units[written] = Unit(prefixes[prefix] + one, prefixes[prefix] + many)
            if prefix == "µ":
                units["u" + symbol] = units[written]
    units.update((symbol, Unit(*names)) for symbol, names in sections["unit"].items())
    return units


_abbreviations = load("abbreviations")
TITLES = _words(_abbreviations["title"])
BARE_TITLES = _words(_abbreviations["bare title"])
STREETS = _words(_abbreviations["street"])
BEFORE_NUMBERS = _words(_abbreviations["before number"])
NEVER_LAST = _words(_abbreviations["never last"])
ABBREVIATIONS = _words(_abbreviations["anywhere"])
ALSO_A_WORD = _words(_abbreviations["also a word"])
WITHOUT_STOP = _words(_abbreviations["without a stop"])
LABELS = _words(_abbreviations["label"])
LETTERS_OF_DAYS = _words(_abbreviations["letter of a day"])
CALENDAR = _words(_abbreviations["calendar"])
DOTTED = _words(_abbreviations["dotted"])
JOURNALS = {key: (said[0], said[-1]) for key, said in _abbreviations["journal"].items()}
DIRECTIONS = _words(_abbreviations["direction"])

_units = load("units")
UNITS = _all_units(_units)
STOPPED_UNITS = {key: Unit(*names) for key, names in _units["with a full stop"].items()}
DOSES = _words(_units["dose"])
DIMENSIONS = _words(_units["dimension"])
HYPHENATED_UNITS = _word_set(_units["hyphenated"])
PER_WORDS = _word_set(_units["per"])

_money = load("money")
CURRENCIES = {sign: (*names, "", "")[:4] for sign, names in _money["currency"].items()}
MAGNITUDES = _words(_money["magnitude"])
DOLLARS_OF = _words(_money["dollars of"])

_signs = load("signs")
SIGNS = _words(_signs["sign"])
OPERATORS = _words(_signs["operator"])
QUOTED_SIGNS = _words(_signs["quoted"])
GREEK = _words(_signs["greek"])
ADDRESS_SIGNS = _words(_signs["address"])

_acronyms = load("acronyms")
PRONOUNCED = _words(_acronyms["pronounced"])
SPELLED = _word_set(_acronyms["spelled"])
NEAR_WORDS = {key: (said, "|".join(words.split(" "))) for key, (said, words) in _acronyms["near words"].items()}
ALSO_WORDS = _word_set(_acronyms["also words"])

_addresses = load("addresses")
DOMAINS = _words(_addresses["domain"])
FILES = _words(_addresses["file"])
KEYS = _words(_addresses["key"])
FOLDERS = _word_set(_addresses["folder"])

_names = load("names")
STATES = _words(_names["state"])
PROVINCES = _words(_names["province"])
STATES_WITH_STOP = _words(_names["state with a stop"])
BIBLE_BOOKS = _words(_names["bible book"])
ELEMENTS = _word_set(_names["element"])


def _with_capitals(shapes: dict[str, str]) -> dict[str, str]:
    """Returns the shapes, and those in small letters also with a first capital: idk, Idk; not Rn, an element."""
    capitals = {key.capitalize(): said for key, said in shapes.items()
                if key.islower() and key.replace("/", "").isalpha() and key[1] != "/"}
    return {**{key: said for key, said in capitals.items() if key not in ELEMENTS}, **shapes}


SHAPES = _with_capitals(_words(load("shapes")["shape"]))

_word_lists = load("words")
NUMBERED = _word_set(_word_lists["numbered"])
NUMBERED_IN_SMALL = _word_set(_word_lists["numbered in small"])
MONARCHS = _word_set(_word_lists["monarch"])
ORDINAL_EVENTS = _word_set(_word_lists["ordinal event"])
STARTERS = _word_set(_word_lists["starter"])
FINITE_VERBS = _word_set(_word_lists["finite verb"])
NOT_A_NOUN = _word_set(_word_lists["not a noun"])
NOUNS_IN_LY = _word_set(_word_lists["noun in ly"])
PLAIN_WORDS = _word_set(_word_lists["plain word"])
JOBS = _word_set(_word_lists["job"])
NUMBER_WORDS = _word_set(_word_lists["number word"])
DETERMINERS = _word_set(_word_lists["determiner"])
LETTERED = _word_set(_word_lists["lettered"])
PAPERS = _word_set(_word_lists["paper"])
NUMBERED_THINGS = PAPERS | _word_set(_word_lists["numbered thing"])
MODEL_NAMES = _word_set(_word_lists["model name"])
AFTER_I = _word_set(_word_lists["after i"])
SUBJECTS = _word_set(_word_lists["subject"])
SOFTWARE = _word_set(_word_lists["software"])
LINE_GOES_ON = _word_set(_word_lists["line goes on"])
EMPHASIZED = _word_set(_word_lists["emphasized"])
ELISIONS = _word_set(_word_lists["elision"])
ELISION_ENDS = _word_set(_word_lists["elision end"])
NEVER_BEFORE_STATE = _word_set(_word_lists["never before state"])
