"""The corpus of a voice: what is in it, which rows are used, and the recordings made alike."""
import re
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from audio import write_wav
from audio.corpus import Recording, check_all_readable, read_recordings
from audio.corpus_report import UNFIT, CorpusReport, examine
from audio.preparation import even_level, level_of, trim
from audio.recordings import split_lines
from hparams import AudioConfig, UserError
from runtime.files import make_folder, write_text
from text import Line, read_metadata

HELD_OUT_ONE_IN = 50  # sentences, if the corpus has no heldout.csv
FEW_MINUTES = 5.0  # less than this is mentioned


class Prepared(NamedTuple):
    """What `prepare` made."""
    training: int  # recordings
    held_out: int
    hours: float  # of the training recordings, after trimming
    notes: list[str]  # what was found and done, a line each


def prepare(data: Path, out: Path, trimmed: bool, notify: Callable[[str], None]) -> Prepared:
    """Writes the usable recordings of `data`, made alike, to `out`; both are folders in LJSpeech's layout.

    trimmed: cut long silence from their ends. All are brought to one level. Left out are rows that cannot be trained
    on (see corpus_report.examine) and rows whose text does not fit the recording. notify: called with each line of the
    notes. Raises UserError if a recording is missing or damaged, and if no row is left.
    """
    parts = split_by_sentence(data)
    lines, rate = [line for part in parts for line in part], AudioConfig().sample_rate
    recordings = read_recordings(data, [line.name for line in lines], rate)
    check_all_readable(recordings)
    made = [_made_alike(recording, rate, trimmed) for recording in recordings]
    before, after = examine(lines, recordings, rate), examine(lines, made, rate)
    unfit = {row for finding in after.findings if finding.what == UNFIT for row in finding.rows}
    left_out = before.left_out | after.left_out | unfit
    notes = [*_what_was_found(data, before, parts), *_what_was_done(recordings, made, unfit, rate, trimmed)]
    for note in notes:
        notify(note)
    names = _file_names([line.name for line in lines])
    rows = range(len(lines))
    kept = [[row for row in rows if row not in left_out and (row < len(parts[0])) is (part == 0)] for part in (0, 1)]
    for part, what in zip(kept, ("training", "validation")):
        if not part:
            raise UserError(f"{data}: no row is left for {what}: {'; '.join(notes[1:])}")
    make_folder(out / "wavs")
    for row in (row for part in kept for row in part):
        write_wav(out / "wavs" / f"{names[row]}.wav", made[row].wave / np.float32(32768), rate)
    for part, file in zip(reversed(kept), ("heldout.csv", "metadata.csv")):
        write_text(out / file, "".join(metadata_line(names[row], lines[row]) for row in part))
    hours = sum(len(made[row].wave) for row in kept[0]) / rate / 3600
    if 60 * hours < FEW_MINUTES:
        notify(f"{60 * hours:.1f} minutes of speech are little; the voice will be rough")
    return Prepared(len(kept[0]), len(kept[1]), hours, notes)


def split_by_sentence(folder: Path) -> tuple[list[Line], list[Line]]:
    """Returns the lines of (training, validation), such that no sentence is in both.

    Validation rows are those of heldout.csv; training rows that say the same sentence are dropped. Without that file,
    one sentence in HELD_OUT_ONE_IN is held out with all its takes. Raises UserError like split_lines, and for a corpus
    of one sentence.
    """
    if (folder / "heldout.csv").exists():
        training, held_out = split_lines(folder)
        spoken = {sentence_of(line) for line in held_out}
        training = [line for line in training if sentence_of(line) not in spoken]
    else:
        lines = read_metadata(folder / "metadata.csv")
        order = {sentence: zlib.crc32(sentence.encode()) for sentence in map(sentence_of, lines)}
        spoken = {sentence for sentence, number in order.items() if number % HELD_OUT_ONE_IN == 0}
        spoken = spoken or {min(order, key=lambda sentence: (order[sentence], sentence))}
        training = [line for line in lines if sentence_of(line) not in spoken]
        held_out = [line for line in lines if sentence_of(line) in spoken]
    if not training:
        raise UserError(f"{folder / 'metadata.csv'}: all lines say the sentences of the held-out ones; "
                        "record other sentences too")
    return training, held_out


def sentence_of(line: Line) -> str:
    """Returns the letters and digits of a line's text, by which takes of one sentence are recognised."""
    return "".join(letter for letter in line.text.casefold() if letter.isalnum())


def _made_alike(recording: Recording, rate: int, trimmed: bool) -> Recording:
    """Returns a recording without long silence at its ends, if wanted, and at the common level."""
    wave = even_level(trim(recording.wave, rate) if trimmed else recording.wave)
    return recording._replace(wave=wave, level=level_of(wave), changes=())


def _what_was_found(data: Path, report: CorpusReport, parts: Sequence[list[Line]]) -> list[str]:
    """Returns the notes on the corpus as it is."""
    sentences = [len({sentence_of(line) for line in part}) for part in parts]
    return [*(f"{data}: {line}" for line in report.describe()),
            f"{len(parts[0])} recordings of {sentences[0]} sentences to learn from, {len(parts[1])} of {sentences[1]} "
            "other sentences held out"]


def _what_was_done(recordings: Sequence[Recording], made: Sequence[Recording], unfit: set[int], rate: int,
                   trimmed: bool) -> list[str]:
    """Returns the notes on the changes to the corpus."""
    cut = [(len(old.wave) - len(new.wave)) / rate for old, new in zip(recordings, made)]
    long = sum(seconds > 0.2 for seconds in cut)
    gains = sorted(new.level - old.level for old, new in zip(recordings, made) if np.isfinite(new.level - old.level))
    notes = [f"silence at the ends: {sum(cut):.0f} s cut off, more than 0.2 s from {long} recordings" if trimmed
             else "silence at the ends stays as it is"]
    if gains:
        notes.append(f"loudness: changed by {gains[len(gains) // 2]:+.1f} dB (median; {gains[0]:+.1f} to "
                     f"{gains[-1]:+.1f}), to the level that the released weights know")
    if unfit:
        notes.append(f"left out, since their text does not fit their length: {len(unfit)}")
    return notes


def _file_names(names: Sequence[str]) -> list[str]:
    """Returns a file name without ending for each id: letters, digits, dots, hyphens; no two are the same."""
    found: dict[str, None] = {}
    for number, name in enumerate(names, 1):
        stem = re.sub(r"\.(wav|flac|ogg|opus)$", "", name.replace("\\", "/").removeprefix("wavs/"), flags=re.IGNORECASE)
        stem = re.sub(r"[^\w.-]", "_", stem).strip(".")[:80] or "recording"
        found[stem if stem.lower() not in map(str.lower, found) else f"{stem}-row{number}"] = None
    return list(found)


def metadata_line(name: str, line: Line) -> str:
    """Returns a line of metadata.csv."""
    return "|".join([name, line.text, *([line.phonemes] if line.phonemes else [])]) + "\n"
