"""The recordings of a folder in LJSpeech's layout: wavs/<name>.wav (or .flac, .ogg, .opus)."""
import functools
import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from audio.files import decode, to_int16, warn_once
from audio.ragged import Ragged
from hparams import UserError
from runtime.devices import available_cpus

ENDINGS = (".wav", ".flac", ".ogg", ".opus")
NOT_READ = (".mp3", ".m4a", ".aac", ".wma", ".webm")  # named in the message if such a file is there
MOST_NAMED = 5  # of the bad recordings in one message
FULL_SCALE = 0.9998


class Recording(NamedTuple):
    """One decoded recording, or the reason why it cannot be used."""
    wave: np.ndarray  # (S,) int16 at the wanted rate; empty if there is a problem
    rate: int = 0  # Hz, of the file
    level: float = -math.inf  # root mean square in dB, 0 for a square wave at full scale
    clipped: float = 0.0  # share of the samples that are at full scale like the one before
    changes: Sequence[str] = ()  # what decoding changed, such as "resampling ..."
    problem: str = ""  # one line that names the file


def read_corpus(folder: Path, names: Sequence[str], rate: int = 22050) -> Ragged:
    """Decodes wavs/<name>.* of `folder`, in the order of `names` (at least one), into a Ragged of int16 samples.

    Raises UserError naming the missing and damaged files.
    """
    recordings = read_recordings(folder, names, rate)
    check_all_readable(recordings)
    for change in sorted({change for recording in recordings for change in recording.changes}):
        warn_once(change)
    return Ragged.from_rows([torch.from_numpy(recording.wave) for recording in recordings])


def read_recordings(folder: Path, names: Sequence[str], rate: int = 22050) -> list[Recording]:
    """Decodes the recordings of `folder` in the order of `names`; missing and damaged ones have a .problem."""
    from tqdm import tqdm
    _files_by_lower_name.cache_clear()
    read = functools.partial(_read, folder=Path(folder), rate=rate)
    # Threads, since the decoders release Python's lock. A process forked from one that uses a GPU can hang.
    with ThreadPoolExecutor(available_cpus()) as pool:
        return list(tqdm(pool.map(read, names), "reading recordings", len(names), disable=None))


def check_all_readable(recordings: Sequence[Recording]) -> None:
    """Raises UserError with the problems of the recordings that cannot be used, if there are any."""
    problems = [recording.problem for recording in recordings if recording.problem]
    if problems:
        more = f"; and {len(problems) - MOST_NAMED} more" if len(problems) > MOST_NAMED else ""
        count = f"{len(problems)} of {len(recordings)} recordings cannot be used: " if len(problems) > 1 else ""
        raise UserError(count + "; ".join(problems[:MOST_NAMED]) + more)


def find_recording(folder: Path, name: str) -> Path:
    """Returns the file of a recording in FOLDER/wavs. Raises UserError if there is none.

    name: an id such as "u1"; "u1.wav", "wavs/u1.wav" and "wavs\\u1" mean the same. Endings may be in capitals.
    """
    stem = name.replace("\\", "/")
    stem = stem.removeprefix("wavs/")
    has_ending = stem.lower().endswith(ENDINGS)
    candidates = [stem + ending for ending in ENDINGS] + ([stem] if has_ending else [])
    for candidate in candidates:
        path = folder / "wavs" / candidate
        if os.path.isfile(path):  # unlike Path.is_file, False for a name that is too long
            return path
    parent = (folder / "wavs" / stem).parent
    there = _files_by_lower_name(parent)
    for candidate in candidates:
        if found := there.get(Path(candidate).name.lower()):
            return parent / found
    other = next((there[low] for ending in NOT_READ if (low := Path(stem + ending).name.lower()) in there), None)
    reason = f"found {other}, which is not read; convert it" if other else \
        f"no such file (nor {', '.join(ENDINGS[1:])}); add the recording or remove its line from the metadata"
    raise UserError(f"{folder / 'wavs' / stem}{'' if has_ending else '.wav'}: {reason}")


@functools.lru_cache(maxsize=8)
def _files_by_lower_name(folder: Path) -> dict[str, str]:
    """Returns the names in a folder by their lower-case form; {} if it cannot be read."""
    try:
        return {name.lower(): name for name in sorted(os.listdir(folder), reverse=True)}
    except OSError:
        return {}


def _read(name: str, folder: Path, rate: int) -> Recording:
    """Returns a recording with its level and clipping; one that cannot be read has its problem instead."""
    try:
        decoded = decode(find_recording(folder, name), rate)
    except UserError as error:
        return Recording(np.zeros(0, np.int16), problem=str(error))
    power = float(np.mean(np.square(decoded.wave, dtype=np.float64)))
    level = 10 * math.log10(power) if power else -math.inf
    at_full_scale = np.abs(decoded.wave) >= FULL_SCALE
    clipped = float(np.mean(at_full_scale[1:] & at_full_scale[:-1])) if len(at_full_scale) > 1 else 0.0
    return Recording(to_int16(decoded.wave), decoded.rate, level, clipped, decoded.changes)
