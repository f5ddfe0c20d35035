"""A text of any length as a plan for speaking it: pieces of a sentence or less, and the silences around them."""
import math
import re
import string
from collections.abc import Iterator
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
    dropped: list[str] = []
    pieces = list(read_pieces(text, settings, pause, dropped, lexicon, markup))
    return Plan([piece.reading for piece in pieces if piece.reading], [piece.silence for piece in pieces],
                "".join(dict.fromkeys("".join(dropped))))


class Piece(NamedTuple):
    """A piece of a plan as `read_pieces` yields it."""
    silence: float  # seconds before it
    reading: Reading | None  # None after the last one


def read_pieces(text: str, settings: TextConfig, pause: float, dropped: list[str], lexicon: Lexicon | None = None,
                markup: str = "auto") -> Iterator[Piece]:
    """Yields the pieces of a plan, each read when it is requested, and at last a silence without a reading.

    See `make_plan` for the other arguments and the errors, which come with the first piece. dropped: gets the
    characters that cannot be said as they are found.
    """
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # bytes of argv that are not UTF-8
    parts = _PAUSE_MARK.split(plain(text, markup))  # the odd ones are what stood between "[pause" and "]"
    marks = [_mark_seconds(part) for part in parts[1::2]]
    silence, marked, is_first, reason = 0.0, False, True, None
    for number, part in enumerate(parts):
        if number % 2:
            silence, marked = marks[number // 2] + (silence if marked else 0.0), True
            continue
        for sentence in split_sentences(part):
            try:
                reading = _with_ending_mark(read(sentence, settings, lexicon))
            except UserError as error:
                reason = reason or error
                dropped.append("".join(sign for sign in sentence if sign not in string.punctuation + string.whitespace))
                continue
            dropped.append(reading.dropped)
            yield Piece(silence, reading)
            silence, marked, is_first = 0.0 if sentence.endswith(_CUT_AFTER) else pause, False, False
    if is_first:
        raise reason or UserError("the text is empty; give at least one word")
    yield Piece(silence if marked else 0.0, None)


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
