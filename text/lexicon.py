"""A user's lexicon: a file of names and acronyms with their pronunciation, which decides before all rules."""
import re
from pathlib import Path

from hparams import UserError
from runtime.files import read_lines
from text.phonemes import is_arpabet, sibilant_ending
from text.symbols import symbol_to_id

_COLUMNS = re.compile(r"(.+?)(?:\s{2,}|\t)(.+)")  # what a word of several parts needs: "St. Ives  S AH0 N T AY1 V Z"
_GENITIVE = re.compile(r"['’]s(?![A-Za-z0-9])")
_ONE_SPACE = re.compile(r"(\S+)\s(.+)")


class Lexicon:
    """Pronunciations of words, by the user.

    A word in small letters stands for any case of it ("nguyen" also reads "Nguyen"); one with a capital only for what
    is written just so ("US" does not read "us"). A genitive in 's needs no entry of its own.
    """

    def __init__(self, entries: dict[str, str]) -> None:
        """entries: word -> ARPAbet, `{"nguyen": "W IH1 N"}`. Raises UserError for a word or a phoneme that is none."""
        for word, phonemes in entries.items():
            _check(word, phonemes, f"lexicon, {word!r}")
        self.entries = dict(entries)
        # Those with a capital first, then the longest. Each is a group of the pattern, which says which one it was.
        words = sorted(entries, key=lambda word: (word == word.lower(), -len(word)))
        self._phonemes = [entries[word] for word in words]
        groups = [f"({re.escape(word)})" if word != word.lower() else f"((?i:{re.escape(word)}))" for word in words]
        self._pattern = re.compile(rf"(?:{'|'.join(groups)})(?![A-Za-z0-9])") if words else None

    def match(self, text: str, position: int) -> tuple[str, int] | None:
        """Returns (`{ARPAbet}`, its end) if one of the words stands at text[position], else None."""
        if self._pattern is None or position and text[position - 1].isalnum():
            return None
        found = self._pattern.match(text, position)
        if not found:
            return None
        assert found.lastindex
        phonemes, genitive = self._phonemes[found.lastindex - 1], _GENITIVE.match(text, found.end())
        if genitive:
            phonemes += " " + sibilant_ending(phonemes.split()[-1])
        return "{" + phonemes + "}", (genitive or found).end()


def read_lexicon(path: Path) -> Lexicon:
    """Reads a lexicon: lines `word  ARPAbet`, as in `nguyen  W IH1 N`; blank lines and comments (# ...) do not count.

    Raises UserError with the file and the line for a line without phonemes, a name that is no phoneme, a word that
    came before, and a file that is missing, empty or not UTF-8.
    """
    entries: dict[str, str] = {}
    for number, line in enumerate(read_lines(path, "lines `word  ARPAbet`"), 1):
        if line and line[0] != "#":
            where = f"{path}, line {number}"
            word, phonemes = _parse(line, where)
            if word in entries:
                raise UserError(f"{where}: {word!r} came before; keep one of the two lines")
            entries[word] = phonemes
    return Lexicon(entries)


def _parse(line: str, where: str) -> tuple[str, str]:
    """Returns the word and the phonemes of a line. Raises UserError naming the place, `where`."""
    columns = _COLUMNS.fullmatch(line) or _ONE_SPACE.fullmatch(line)
    if not columns:
        raise UserError(f"{where}: found {line[:40]!r}, expected a word, two spaces and its phonemes, as in "
                        "`nguyen  W IH1 N`")
    word, phonemes = columns[1], " ".join(columns[2].strip("{}").split())
    _check(word, phonemes, where)
    return word, phonemes


def _check(word: str, phonemes: str, where: str) -> None:
    """Raises UserError for a word or phonemes that the reader cannot use."""
    if not word.strip() or not word[0].isalnum():
        raise UserError(f"{where}: found the word {word[:40]!r}, expected one that begins with a letter or a digit")
    if not is_arpabet(phonemes):
        wrong = next((name for name in phonemes.split() if "@" + name not in symbol_to_id), "nothing")
        raise UserError(f"{where}: found {wrong!r}, expected ARPAbet phonemes, vowels with their stress, as in "
                        "`W IH1 N`; `python -m text` shows those of words that sound alike")
