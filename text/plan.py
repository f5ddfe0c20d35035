"""A text of any length as a plan for speaking it: pieces of a sentence or less, and the silences around them."""
import math
import re
import string
from typing import NamedTuple

from hparams import TextConfig, UserError
from text.lexicon import Lexicon
from text.markup import plain
from text.reading import Reading, read
from text.sentences import split_sentences
from text.symbols import PAUSES, symbol_to_id

LONGEST_PAUSE = 600.0  # seconds
_CUT_AFTER = (",", ";", ":", "—", "–", "-")  # how a part of a very long sentence ends
_PAUSE_MARK = re.compile(r"\[\s{0,9}pause\b([^\][]{0,40})\]", re.IGNORECASE)  # bounded, else many "[pause" take long
_CLOSING_IDS = frozenset(symbol_to_id[mark] for mark in " ()'")  # may follow the mark that ends a sentence
_ENDING_IDS = frozenset(symbol_to_id[mark] for mark in PAUSES | {"-"}) - _CLOSING_IDS
_PAUSE_LENGTH = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(ms|s)\s*", re.IGNORECASE)


class Plan(NamedTuple):
    """A text as pieces that the student says in one go each."""
    readings: list[Reading]  # R pieces
    silences: list[float]  # R + 1 lengths in seconds: before the first piece, between pieces, after the last
    dropped: str


def make_plan(text: str, settings: TextConfig, pause: float, lexicon: Lexicon | None = None,
              markup: str = "auto") -> Plan:
    """Splits a text at its pause marks and sentences (split_sentences cuts very long ones at commas and the like).

    settings: how texts become ids; pause: seconds between two sentences; lexicon: pronunciations by the user; markup:
    what the text is written in, one of text.markup.KINDS. A pause mark stands in its place, and marks
    in a row add up; before the text, after it and between the clauses of a cut sentence there is no silence but by a
    mark. For example "One. Two. [pause 2s] Three." has the silences [0, pause, 2, 0]. Raises UserError if there is
    nothing to say, and for a mark without a length or with one of more than LONGEST_PAUSE.
    """
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # bytes of argv that are not UTF-8
    text = plain(text, markup)
    readings, silences, dropped, reason, marked = [], [0.0], "", None, False
    for number, part in enumerate(_PAUSE_MARK.split(text)):
        if number % 2:  # the odd ones are what stood between "[pause" and "]"
            silences[-1] = _mark_seconds(part) + (silences[-1] if marked else 0.0)
            marked = True
            continue
        for sentence in split_sentences(part):
            try:
                readings.append(_with_ending_mark(read(sentence, settings, lexicon)))
            except UserError as error:
                reason = reason or error
                dropped += "".join(sign for sign in sentence if sign not in string.punctuation + string.whitespace)
                continue
            silences.append(0.0 if sentence.endswith(_CUT_AFTER) else pause)
            dropped, marked = dropped + readings[-1].dropped, False
    if not readings:
        raise reason or UserError("the text is empty; give at least one word")
    if not marked:
        silences[-1] = 0.0
    return Plan(readings, silences, "".join(dict.fromkeys(dropped)))


def _with_ending_mark(reading: Reading) -> Reading:
    """Returns a reading that ends in a punctuation mark: a full stop is added to one that has none.

    The student was trained on whole sentences. Without a mark, a single letter is all but inaudible.
    """
    last = next((symbol for symbol in reversed(reading.ids) if symbol not in _CLOSING_IDS), None)
    if last in _ENDING_IDS:
        return reading
    return reading._replace(ids=[*reading.ids, symbol_to_id["."]], pauses=[*reading.pauses, True])


def _mark_seconds(amount: str) -> float:
    """Returns the length of a pause mark in seconds. Raises UserError for one that cannot be read or is too long."""
    match = _PAUSE_LENGTH.fullmatch(amount)
    seconds = float(match[1]) * (0.001 if match[2].lower() == "ms" else 1.0) if match else math.inf
    if seconds > LONGEST_PAUSE:
        raise UserError(f"[pause{amount}]: expected a length like 500ms or 1.5s, at most {LONGEST_PAUSE:g}s")
    return seconds
