"""The texts that the teacher reads, from files of lines or of metadata, and the symbols of each."""
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from hparams import UserError
from runtime.files import read_lines


class Text(NamedTuple):
    """A text to be read."""
    name: str
    text: str


def read_texts(paths: list[Path], warn: Callable[[str], None]) -> list[Text]:
    """Returns the texts of all files, in order. A folder stands for the metadata.csv in it.

    A file with a "|" anywhere is metadata; all its lines need one. Rows that the heldout.csv beside it names are left
    out, which is reported by `warn`: no model may learn from them. Lines of plain files are named file-000001 and so
    on. Raises UserError if a file is missing, empty, not UTF-8 or malformed, if a name occurs twice, and if no text is
    left.
    """
    from text import read_metadata
    texts: list[Text] = []
    for path in (path / "metadata.csv" if os.path.isdir(path) else path for path in paths):
        lines = read_lines(path)
        if any("|" in line for line in lines):
            texts += _without_held_out(path, [Text(line.name, line.text) for line in read_metadata(path)], warn)
        else:
            texts += [Text(f"{path.stem}-{number:06d}", line) for number, line in enumerate(lines, 1) if line]
    seen: set[str] = set()
    for text in texts:
        if text.name in seen:
            raise UserError(f"{text.name}: the name of two texts; give every text a name of its own")
        seen.add(text.name)
    return texts


def _without_held_out(metadata: Path, texts: list[Text], warn: Callable[[str], None]) -> list[Text]:
    """Returns the texts except those whose names are in the heldout.csv beside the metadata file."""
    from text import read_metadata
    path = metadata.parent / "heldout.csv"
    if metadata.name == path.name or not os.path.exists(path):
        return texts
    held_out = {line.name for line in read_metadata(path)}
    kept = [text for text in texts if text.name not in held_out]
    if not kept:
        raise UserError(f"{metadata}: all {len(texts)} rows are held out by {path}, expected other rows too")
    if len(kept) < len(texts):
        warn(f"{metadata}: {len(texts) - len(kept)} of {len(texts)} rows are left out, they are held out by {path}")
    return kept
