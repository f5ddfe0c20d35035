"""What the scripts that run finished models share: which weights, which rows together, which seed, files in and out."""
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from hparams import UserError

_WEIGHTS = (".safetensors", ".pt", ".pth")  # ours; the published Tacotron2's and WaveGlow's


class Text(NamedTuple):
    """A text to be read."""
    name: str
    text: str


def newest_weights(folder: Path, given: str | Path | None, advice: str) -> Path:
    """Returns the file `given`, or where that is None the weights in `folder`: a published file before one of ours.

    Of several the newest counts, of one time the last by name.
    Raises UserError, which ends in `advice`, if there is no such file.
    """
    if given is not None:
        if not Path(given).is_file():
            raise UserError(f"{given}: no such weights file; {advice}")
        return Path(given)
    found = [path for path in folder.iterdir() if path.suffix in _WEIGHTS] if folder.is_dir() else []
    if not found:
        raise UserError(f"{folder}: no weights there; {advice}")
    return max(found, key=lambda path: (path.suffix != ".safetensors", path.stat().st_mtime, path.name))


def weights_notes(path: Path) -> dict[str, Any]:
    """How a released file says its weights were made; {} for a published file, which says nothing."""
    if path.suffix != ".safetensors":
        return {}
    from safetensors import safe_open
    with safe_open(path, framework="np") as file:
        return json.loads((file.metadata() or {}).get("lightspeech", "{}")).get("notes", {})


def identity(weights: Path) -> str:
    """Name and content of a file of weights, in a few letters."""
    return f"{weights.name} {hashlib.sha256(weights.read_bytes()).hexdigest()[:12]}"


def by_length(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Groups the numbers of rows so that rows of like length go together, shortest first.

    Each group, padded to its longest row, has at most `budget` places; a row longer than that goes alone.
    """
    groups: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: (lengths[row], row)):
        if groups and (len(groups[-1]) + 1) * lengths[row] <= budget:
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups


def row_seed(*names: str | int) -> int:
    """A seed in [0, 2^63) that depends on the names alone, so that a row is the same in any batch, run or process."""
    return int.from_bytes(hashlib.sha256(repr(names).encode()).digest()[:8], "little") >> 1


def read_lines(path: str | Path) -> list[str]:
    """The lines of a UTF-8 text file, or of standard input for "-"; without line ends, blank lines as "".

    Raises UserError for a file that cannot be read, is not UTF-8 text or has nothing but white space.
    """
    name = "standard input" if str(path) == "-" else str(path)
    try:
        text = (sys.stdin.buffer.read() if str(path) == "-" else Path(path).read_bytes()).decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{name}: cannot be read ({error.strerror}); name a text file") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{name}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    if not text.strip():
        raise UserError(f"{name}: empty; expected a text a line")
    return [line.strip() for line in text.split("\n")]


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


def report(line: str, stream: TextIO) -> None:
    """Prints a line at once. Raises UserError where the stream leads to a full disk or a closed pipe."""
    try:
        print(line, file=stream, flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # else Python tries again, and fails aloud, at exit
        raise UserError(f"standard output could not be written ({error.strerror}); the files are complete") from None


def write_text(path: Path, text: str) -> None:
    """Writes a UTF-8 file as a whole or not at all. Raises UserError if that fails, as on a full disk."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UserError(f"{path}: could not be written ({error.strerror}); nothing was left behind") from None
