"""Reading the recordings of a folder in LJSpeech's layout: wavs/<name>.wav (or .flac, .ogg, .opus)."""
import functools
import multiprocessing
import signal
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from audio.files import decode, to_int16, warn_once
from audio.ragged import Ragged
from runtime.errors import UserError

ENDINGS = (".wav", ".flac", ".ogg", ".opus")


def read_corpus(folder: Path, names: Sequence[str], rate: int = 22050, processes: int = 1) -> Ragged:
    """Decodes wavs/<name>.* of `folder`, in the order of `names` (at least one), into a Ragged of int16 samples.

    processes: how many decode at once; 1 decodes in this one. Raises UserError naming a missing or corrupt file.
    """
    from tqdm import tqdm
    paths = [_find(Path(folder), name) for name in names]
    read = functools.partial(_read, rate=rate)
    if processes > 1:
        with multiprocessing.Pool(processes, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:  # Ctrl-C is ours
            rows = list(tqdm(pool.imap(read, paths, chunksize=16), "reading recordings", len(paths), disable=None))
    else:
        rows = [read(path) for path in tqdm(paths, "reading recordings", disable=None)]
    for change in sorted({change for _, changes in rows for change in changes}):
        warn_once(change)
    return Ragged.from_rows([torch.from_numpy(wav) for wav, _ in rows])


def _find(folder: Path, name: str) -> Path:
    for ending in ENDINGS:
        path = folder / "wavs" / (name + ending)
        if path.is_file():
            return path
    raise UserError(f"{folder / 'wavs' / name}.wav: no such file (nor {', '.join(ENDINGS[1:])}); "
                    "add the recording or remove its line from the metadata")


def _read(path: Path, rate: int) -> tuple[np.ndarray, list[str]]:
    wav, changes = decode(path, rate)
    return to_int16(wav), changes
