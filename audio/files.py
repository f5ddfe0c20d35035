"""Reading and writing wave files by libsndfile. A wave is mono float32 in [-1, 1]."""
import functools
import io
import os
import re
import stat
import struct
import time
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from runtime.errors import UserError
from runtime.files import atomic_write

# File endings that can be written, and libsndfile's name of format and encoding.
FORMATS = {".wav": ("WAV", "PCM_16"), ".flac": ("FLAC", "PCM_16"), ".ogg": ("OGG", "VORBIS")}
STREAMED = 0x7FFF0000  # bytes: a longer wav was written to a pipe, whose end its header could not know
_CUT_SHORT = re.compile(r"^data : (\d+) \(should be (\d+)\)", re.MULTILINE)  # as libsndfile logs it; else it is silent
WRITE_BLOCK = 22050  # samples given to libsndfile at once: its Vorbis encoder overflows its stack on long blocks


def read_wav(path: Path, rate: int = 22050) -> np.ndarray:
    """Returns the file (any format of libsndfile) as float32 (S,) in [-1, 1] at `rate` Hz.

    Several channels are mixed down to their mean and other rates resampled; each is said in one warning a process.
    Raises UserError for a missing, unreadable, corrupt, cut short or empty file.
    """
    wav, changes = decode(path, rate)
    for change in changes:
        warn_once(change)
    return wav


def decode(path: Path, rate: int) -> tuple[np.ndarray, list[str]]:
    """As read_wav, but returns what was changed ("resampling ...", "mixing ...") in place of warning of it."""
    import soundfile
    if not Path(path).is_file():
        raise UserError(f"{path}: no such file; check the path")
    try:
        with soundfile.SoundFile(path) as file:
            wav, found, log = file.read(dtype="float32", always_2d=True), file.samplerate, file.extra_info
    except (soundfile.LibsndfileError, OSError) as error:
        raise UserError(f"{path}: cannot be read as sound ({_one_line(error)}); "
                        "expected wav, flac, ogg or opus") from None
    cut = _CUT_SHORT.search(log)
    if cut and int(cut[1]) < STREAMED:
        raise UserError(f"{path}: ends after {cut[2]} of {cut[1]} bytes of sound; record or copy it again")
    if not len(wav) or not np.isfinite(wav).all():
        raise UserError(f"{path}: found {'broken' if len(wav) else 'no'} samples; record or copy it again")
    changes = [] if wav.shape[1] == 1 else ["mixing recordings of several channels down to one"]
    wav = wav.mean(axis=1)
    if found != rate:
        import soxr
        changes.append(f"resampling recordings from {found} to {rate} Hz")
        wav = soxr.resample(wav, found, rate)
    return np.clip(wav, -1, 1).astype(np.float32), changes


@functools.cache  # so that a process says each change once, whatever its warnings filter
def warn_once(change: str) -> None:
    """Warns, the first time in this process that this text is given."""
    warnings.warn(f"{change} (said once)", stacklevel=3)


def to_int16(wav: np.ndarray) -> np.ndarray:
    """float (S,) in [-1, 1] -> int16 (S,), rounded; values outside are clipped."""
    return np.clip(np.round(np.asarray(wav, dtype=np.float32) * 32768), -32768, 32767).astype(np.int16)


def wav_header(rate: int, samples: int | None = None) -> bytes:
    """The 44 bytes before 16-bit mono samples in a wav; samples: how many, None where nobody can know yet."""
    size = STREAMED if samples is None else 2 * samples
    return struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", size + 36, b"WAVE", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16,
                       b"data", size)


def encode_wav(wav: np.ndarray, rate: int = 22050, ending: str = ".wav") -> bytes:
    """Returns a whole file: wav (S,) float in [-1, 1] at `rate` Hz in 16 bits (.ogg: Vorbis).

    ending: .wav, .flac or .ogg. Raises UserError for another.
    """
    import soundfile
    if ending.lower() not in FORMATS:
        raise UserError(f"cannot write {ending or 'a name without an ending'}; expected {', '.join(FORMATS)}")
    kind, encoding = FORMATS[ending.lower()]
    samples = to_int16(wav)
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", rate, 1, encoding, format=kind) as file:
        for start in range(0, len(samples), WRITE_BLOCK):
            file.write(samples[start:start + WRITE_BLOCK])
    return buffer.getvalue()


def write_wav(path: Path, wav: np.ndarray, rate: int = 22050) -> None:
    """Writes wav (S,) float in [-1, 1] in the format of the path's ending (.wav, .flac, .ogg), 16 bits.

    The file appears whole or not at all. Raises UserError for an unknown ending, a missing folder, no permission or
    a full disk, and then leaves nothing behind.
    """
    path = Path(path)
    try:
        data = encode_wav(wav, rate, path.suffix)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    with atomic_write(path) as file:
        file.write(data)


def write_stream(chunks: Iterable[np.ndarray], descriptor: int, rate: int, raw: bool = False) -> tuple[int, float]:
    """Writes a wav to an open file, each chunk (S,) of it as soon as it is there; raw: the 16-bit samples alone.

    A header cannot know how much will follow, but in a regular file, which gets all at once. Returns how many samples
    were written, and the time (time.perf_counter) of the first of them. Raises UserError if the file cannot be written,
    and BrokenPipeError if it is a pipe that nobody reads any more.
    """
    count, first = 0, 0.0
    whole = stat.S_ISREG(os.fstat(descriptor).st_mode)
    if whole:
        chunks = [np.concatenate(list(chunks))]
    try:  # by a writer of its own: sys.stdout would try again, and fail aloud, at exit
        with open(descriptor, "wb", closefd=False) as file:
            for chunk in filter(len, chunks):
                if not count and not raw:
                    file.write(wav_header(rate, len(chunk) if whole else None))
                file.write(to_int16(chunk).astype("<i2").tobytes())
                file.flush()
                count, first = count + len(chunk), first or time.perf_counter()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UserError(f"-o -: standard output could not be written ({error.strerror})") from None
    return count, first


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
