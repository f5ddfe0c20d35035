"""Corpora in LJSpeech's layout: metadata.csv, and rows that give every word both as letters and as phonemes."""
import random
import re
from pathlib import Path
from typing import NamedTuple

from hparams import UserError
from runtime.files import read_lines
from text.cleaners import to_ascii
from text.reader import pause_between
from text.sequence import encode, encode_plain
from text.symbols import symbol_to_id

_BRACES = re.compile(r"\{[^{}]*\}")
_AROUND = "\"!(),:;?[]-"  # what may stand around a word; apostrophes and full stops may belong to it
_SPACE = symbol_to_id[" "]
_SPOKEN_IN_FULL = {"mr": "mister", "mrs": "missus", "dr": "doctor", "st": "saint", "ltd": "limited", "etc": "et cetera"}


class Line(NamedTuple):
    """A row of a metadata file."""
    name: str  # of the utterance, and of its file in wavs/
    text: str  # what is said, in words where the file has it
    phonemes: str | None  # what was spoken, word for word, `{AO1 TH ER0} {AH0 V}, ...`; as many words as the text


def read_metadata(path: Path) -> list[Line]:
    """Reads LJSpeech's metadata.csv: `id|text`, `id|text|normalised text` or `id|text|phonemes`.

    A third column with a brace is phonemes, any other replaces the text. Blank lines are skipped. Raises UserError for
    a missing or empty file, a line without `|`, an empty id or text, an id that came before, phonemes that do not have
    as many words as the text, a third column of speakers, and a file that is not UTF-8.
    """
    lines = read_lines(path, "lines id|text")
    rows, seen = [], {}
    for number, line in enumerate(lines, 1):
        if line:
            row = _parse(f"{path}, line {number}", line)
            if row.name in seen:
                raise UserError(f"{path}, line {number}: id {row.name!r} came before, in line {seen[row.name]}; "
                                "give every line its own")
            seen[row.name] = number
            rows.append(row)
    _check_third_column(path, [line.split("|")[1:3] for line in lines if line.count("|") > 1])
    return rows


def _check_third_column(path: Path, columns: list[list[str]]) -> None:
    """Raises UserError if the third column names speakers (lists of other projects) and is no form of the text.

    columns: (second, third) of the lines that have three. A speaker's number has no letter, and a name is repeated.
    """
    def has_letters(text: str) -> bool:
        return any(map(str.isalpha, text))
    pairs = [(text, third.strip()) for text, third in columns if third.strip() and "{" not in third]
    without_letters = [third for text, third in pairs if has_letters(text) and not has_letters(third)]
    foreign = [third for text, third in pairs if not set(text.lower().split()) & set(third.lower().split())]
    if len(foreign) < 4 or len(set(foreign)) > len(foreign) // 3:  # hardly repeated
        foreign = []
    if 2 * max(len(without_letters), len(foreign)) > len(pairs):
        examples = ", ".join(map(repr, sorted({third[:40] for _, third in pairs})[:3]))
        raise UserError(f"{path}: the third column holds {examples}, such as speakers, expected the normalised text or "
                        "phonemes; remove that column")


def _parse(where: str, line: str) -> Line:
    """Returns a line of metadata. Raises UserError naming the place, `where`, of a malformed one."""
    name, *columns = (column.strip() for column in line.split("|"))
    if not columns:
        raise UserError(f"{where}: no '|' in {line[:40]!r}, expected id|text")
    text, third = columns[0], columns[1] if len(columns) > 1 else ""
    phonemes = third if "{" in third else None
    text = text if phonemes or not third else third
    if not name or not text:
        raise UserError(f"{where}: no {'text' if name else 'id'} in {line[:40]!r}, expected id|text")
    if phonemes and len(text.split()) != len(_phoneme_words(phonemes)):
        raise UserError(f"{where}: {len(text.split())} words but phonemes of {len(_phoneme_words(phonemes))}, "
                        "expected equally many")
    return Line(name, text, phonemes)


def _phoneme_words(phonemes: str) -> list[str]:
    """Splits at the white space outside of braces."""
    return _BRACES.sub(lambda match: "_".join(match[0].split()), phonemes).split()


def read_mixed(words_text: str, phonemes: str, phoneme_share: float, rng: random.Random) -> list[int]:
    """Training ids of a row: each word at random, with this share, as its phonemes, else as its letters.

    words_text and phonemes split at white space (braces whole) into equally many words. Pauses are those of the
    phonemes column, written as `english_reader` writes them, so that training and synthesis see the same symbols.
    """
    said = _phoneme_words(phonemes)
    written = words_text.split()
    assert len(written) == len(said), f"{len(written)} words, phonemes of {len(said)}: {words_text!r}"
    ids, separator = [], ""
    for letters, spoken in zip(written, said):
        groups = _BRACES.findall(spoken)
        separator += spoken.partition("{")[0]
        if not groups:
            continue
        if ids:
            ids += encode_plain(pause_between(separator)) + [_SPACE]
        if rng.random() < phoneme_share:
            ids += encode(" ".join(group.replace("_", " ") for group in groups))
        else:
            ids += encode_plain(_one_word(_without_quotes(letters, spoken)))
        separator = spoken.rpartition("}")[2] + " "
    return ids + encode_plain(pause_between(separator, last=True))


def _without_quotes(letters: str, spoken: str) -> str:
    """Leaves out the apostrophes around a word that the phonemes column has outside of its braces: they are quotes."""
    if "'" in spoken.partition("{")[0]:
        letters = letters.lstrip("'\"")
    if "'" in spoken.rpartition("}")[2]:
        letters = letters.rstrip("'\",.;:!?")
    return letters


def _one_word(letters: str) -> str:
    """A word of the text column in plain lower-case letters: `"Mr.` -> `mister`, `U.S.A.,` -> `u s a`."""
    word = to_ascii(letters).lower().strip(_AROUND).replace(":", " ")
    bare = word.rstrip(".")
    if "." in bare:
        return bare.replace(".'", "'").replace(".", " ")
    return _SPOKEN_IN_FULL.get(bare, bare)
