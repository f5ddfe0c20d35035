"""A text as a model reads it: symbol ids, where its pauses are, which symbols are which word, what was dropped."""
import functools
import re
from typing import NamedTuple

from hparams import TextConfig, UserError
from text.cleaners import cleaner_of
from text.lexicon import Lexicon
from text.phonemes import pronounce, pronounce_in_context
from text.reader import Piece, speak
from text.sequence import encode, encode_plain, sequence_to_text, split_braces
from text.symbols import PAUSES, SAYABLE, symbol_to_id, symbols

_SPOKEN_WORD = re.compile(r"[A-Za-z](?:[A-Za-z'-]*[A-Za-z])?'?|'[A-Za-z][A-Za-z'-]*")
_SENTENCE_ENDS = (".", "!", "?", ":")
_SPACE = symbol_to_id[" "]
_HYPHEN = symbol_to_id["-"]
_PAUSE_IDS = frozenset(symbol_to_id[symbol] for symbol in PAUSES)
_SOUND_IDS = frozenset(index for index, symbol in enumerate(symbols) if symbol.isalpha() or symbol[0] == "@")


class Word(NamedTuple):
    """A word of the input, or what is said for several of them ("$3.5 million"), and its symbols."""
    text: str  # as it stood in the input where possible, else as spoken
    start: int  # ids[start:stop] say it
    stop: int


class Reading(NamedTuple):
    """What `read` makes of a text; ids and pauses are equally long."""
    ids: list[int]
    pauses: list[bool]  # True for punctuation that is heard as a pause and for the space after it
    words: list[Word]
    dropped: str  # characters of the text that cannot be said, each once


def read(text: str, settings: TextConfig, lexicon: Lexicon | None = None) -> Reading:
    """Symbol ids of one sentence or any longer text, by the cleaners and the phoneme mode of `settings`.

    In phoneme mode words become ARPAbet, by NVIDIA's cleaners only those that CMUdict knows; `{R EH1 D}` in the text
    and the words of the user's lexicon are said just so in either mode (NVIDIA's cleaners know no lexicon). Raises
    UserError if nothing of the text can be said, or for an unknown cleaner.
    """
    cleaner_of(settings.cleaners)
    if settings.cleaners == "english_reader":
        ids, words, dropped = _read_as_person(text, settings.phonemes, lexicon)
    else:
        ids, words, dropped = _read_cleaned(text, settings)
    if not words:
        raise UserError(f"nothing to say in {_excerpt(text)}: expected words or numbers")
    return Reading(ids, _pauses(ids), words, dropped)


def _read_as_person(text: str, phonemes: bool, lexicon: Lexicon | None) -> tuple[list[int], list[Word], str]:
    """Returns the symbol ids, the words and the dropped characters of a text that the reader spells out."""
    pieces, dropped = speak(text, lexicon)
    spoken = _pronounce_all(pieces) if phonemes else [
        piece.spoken if piece.phonemes else piece.spoken.lower() for piece in pieces]
    ids, words = [], []
    for piece, said in zip(pieces, spoken):
        if ids:
            ids.append(_SPACE)
        start = len(ids)
        ids += _encode_piece(said) if phonemes or piece.phonemes else encode_plain(said)
        words.append(Word(piece.text, start, len(ids)))
        if piece.pause:
            ids.append(symbol_to_id[piece.pause])
    return ids, words, dropped


@functools.lru_cache(maxsize=8192)
def _encode_piece(said: str) -> tuple[int, ...]:
    """Returns the ids of what is said, see `encode`. Cached, because the same words occur in most texts."""
    return tuple(encode(said))


class SpokenWords(NamedTuple):
    """The words that are said of pieces, as text/phonemes.py takes them."""
    words: list[str]  # with the commas that may stand in what is said of a date; or `{ARPAbet}`
    bare: list[str]  # without them
    pauses: list[str]  # the mark after each word, "" if none
    names: set[int]  # places of words with a capital inside of a sentence
    starts: list[int]  # the first word of each piece


def spoken_words(pieces: list[Piece]) -> SpokenWords:
    """Returns the words of the pieces."""
    words, pauses, starts, names = [], [], [], set()
    for piece in pieces:
        if piece.text[0].isupper() and words and pauses[-1] not in _SENTENCE_ENDS:
            names.add(len(words))
        starts.append(len(words))
        words += [piece.spoken] if piece.phonemes else piece.spoken.split(" ")
        pauses += [""] * (len(words) - len(pauses) - 1) + [piece.pause]
    return SpokenWords(words, [word if word[0] == "{" else _bare(word) for word in words], pauses, names, starts)


def _pronounce_all(pieces: list[Piece]) -> list[str]:
    """What is said of each piece, with the words that are known as `{ARPAbet}`."""
    words, bare, pauses, names, starts = spoken_words(pieces)
    said = []
    for index, (word, inside) in enumerate(zip(words, bare)):
        if word[0] != "{":
            phonemes = pronounce_in_context(bare, pauses, index, index in names)
            word = word.replace(inside, _in_braces(inside, phonemes), 1)
        said.append(word)
    return [" ".join(said[start:stop]) for start, stop in zip(starts, [*starts[1:], len(words)])]


def _bare(word: str) -> str:
    """Returns the word without the commas that may stand in what is said of a date."""
    if word.isalpha():  # true of most words, and faster than the search
        return word
    found = _SPOKEN_WORD.search(word)
    return found[0] if found else word


def _in_braces(word: str, phonemes: str | None) -> str:
    """Returns a word's phonemes in braces; the word itself if there are none."""
    return "{" + phonemes + "}" if phonemes else word.lower()


def _read_cleaned(text: str, settings: TextConfig) -> tuple[list[int], list[Word], str]:
    """Returns the symbol ids, the words and the dropped characters of a text that a published cleaner spells out."""
    clean = cleaner_of(settings.cleaners)
    ids = []
    for part, in_braces in split_braces(text):
        if in_braces:
            ids += encode("{" + part + "}")
        elif settings.phonemes:
            cleaned = _without_braces(clean(part))
            ids += encode(_SPOKEN_WORD.sub(lambda match: _in_braces(match[0], pronounce(match[0].lower())), cleaned))
        else:
            ids += encode_plain(clean(part))
    return ids, _words_of(ids), _unsayable(text, settings.cleaners)


def _without_braces(text: str) -> str:
    """Returns the text without braces."""
    return text.replace("{", "").replace("}", "")


def _words_of(ids: list[int]) -> list[Word]:
    """The runs of symbols between spaces and pauses, named by what is spoken."""
    words, start = [], 0
    for stop in range(len(ids) + 1):
        if stop == len(ids) or ids[stop] == _SPACE or ids[stop] in _PAUSE_IDS:
            run = sequence_to_text(ids[start:stop])
            if run.strip("-'"):
                words.append(Word(run, start, stop))
            start = stop + 1
    return words


def _pauses(ids: list[int]) -> list[bool]:
    """Punctuation, a hyphen that joins nothing, and the spaces after them."""
    pauses = []
    for index, symbol in enumerate(ids):
        if symbol == _SPACE:
            pauses.append(bool(pauses) and pauses[-1])
        elif symbol == _HYPHEN:
            joins = 0 < index < len(ids) - 1 and ids[index - 1] in _SOUND_IDS and ids[index + 1] in _SOUND_IDS
            pauses.append(not joins)
        else:
            pauses.append(symbol in _PAUSE_IDS)
    return pauses


def _unsayable(text: str, cleaners: str) -> str:
    """The characters of the text, each once, of which this cleaner leaves nothing that is in the symbol table."""
    clean = cleaner_of(cleaners)
    return "".join(character for character in dict.fromkeys(text)
                   if not character.isspace() and character not in "{}" and not set(clean(character)) & SAYABLE)


def _excerpt(text: str) -> str:
    """Returns at most 40 characters of a text, in quotes, for messages."""
    return repr(text if len(text) <= 40 else text[:37] + "...")
