"""The texts that a teacher is to read, from files of lines or of metadata."""
from pathlib import Path
from typing import NamedTuple

from runtime.errors import UserError
from runtime.files import read_lines


class Text(NamedTuple):
    """A text to be read."""
    name: str
    text: str


def read_texts(paths: list[Path]) -> list[Text]:
    """The texts of all files, in order; a file with a "|" anywhere is metadata, whose lines all need one.

    Lines of plain files are named file-000001 and so on; a folder stands for the metadata.csv in it.
    Raises UserError for a file that is missing, empty, not UTF-8 or malformed, and for a name that occurs twice.
    """
    from text import read_metadata
    texts: list[Text] = []
    for path in (path / "metadata.csv" if path.is_dir() else path for path in paths):
        lines = read_lines(path)
        if any("|" in line for line in lines):
            texts += [Text(line.name, line.text) for line in read_metadata(path)]
        else:
            texts += [Text(f"{path.stem}-{number:06d}", line) for number, line in enumerate(lines, 1) if line]
    seen: set[str] = set()
    for text in texts:
        if text.name in seen:
            raise UserError(f"{text.name}: the name of two texts; give every text a name of its own")
        seen.add(text.name)
    return texts
