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
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hparams import UserError
from runtime.console import one_line
from runtime.files import atomic_write, check_readable

if TYPE_CHECKING:
    from soundfile import SoundFile

# File endings that can be written, and libsndfile's name of format and encoding.
FORMATS = {".wav": ("WAV", "PCM_16"), ".flac": ("FLAC", "PCM_16"), ".ogg": ("OGG", "VORBIS")}
STREAMED = 0x7FFF0000  # bytes: a wav header with more was written to a pipe, before the length was known
MOST_WAV_SAMPLES = STREAMED // 2  # of 16 bits: what a wav header can say
UNKNOWN_LENGTH = 2 ** 62  # samples: libsndfile's answer if the header does not say
_CUT_SHORT = re.compile(r"^data : (\d+) \(should be (\d+)\)", re.MULTILINE)  # only libsndfile's log has it
WRITE_BLOCK = 22050  # samples passed to libsndfile at once: its Vorbis encoder overflows its stack on long blocks
READ_BLOCK = 2 ** 20  # samples of all channels read at once
MOST_SAMPLES = 2 ** 28  # of a file, all channels together: an hour and a half of mono at 48 kHz, 1 GB of memory
LOWEST_RATE, HIGHEST_RATE = 1000, 1_000_000  # Hz; a lower one is a damaged header, and would fill the memory
CANCELLED = 0.02  # of the channels' mean power: a mean with less of it (-17 dB) has lost what the channels contain
MOST_OVERSHOOT = 4.0  # a peak (12 dB above full scale) that floating point samples in [-1, 1] may reach by mixing


def read_wav(path: Path, rate: int = 22050) -> np.ndarray:
    """Returns the file (any format of libsndfile) as float32 (S,) in [-1, 1] at `rate` Hz.

    Several channels are mixed down to their mean, other rates resampled, peaks above 1 scaled down; each such change
    is reported in one warning per process. Raises UserError for a missing, damaged, cut short or empty file.
    """
    decoded = decode(path, rate)
    for change in decoded.changes:
        warn_once(change)
    return decoded.wave


class Decoded(NamedTuple):
    """A sound file as read_wav returns it."""
    wave: np.ndarray  # (S,) float32 in [-1, 1]
    rate: int  # Hz, of the file
    changes: list[str]  # what was changed, such as "resampling ..."


def decode(path: Path, rate: int) -> Decoded:
    """Reads a sound file as read_wav does, without warnings."""
    wav, found = _read_checked(path)
    wav, changes = _mixed_down(wav)
    if found != rate:
        import soxr
        changes.append(f"resampling recordings from {found} to {rate} Hz")
        wav = soxr.resample(wav, found, rate)
        if not len(wav):
            raise UserError(f"{path}: found no samples at {rate} Hz; record or copy it again")
    wav, scaled = _scaled_down(path, wav)
    return Decoded(np.clip(wav, -1, 1).astype(np.float32), found, changes + scaled)


def _read_checked(path: Path) -> tuple[np.ndarray, int]:
    """Returns all samples (S, C) as float32 and their rate in Hz. Raises UserError for a damaged or absurd file."""
    import soundfile
    check_readable(path)
    try:
        with soundfile.SoundFile(path) as file:
            found = file.samplerate
            if not LOWEST_RATE <= found <= HIGHEST_RATE:
                raise UserError(f"{path}: found a sample rate of {found} Hz, expected {LOWEST_RATE} to {HIGHEST_RATE}; "
                                "record or copy it again")
            wav, claimed, log = _read_channels(path, file), file.frames, file.extra_info
            exact = not file.subtype.startswith("MPEG")  # whose length is an estimate
    except (soundfile.LibsndfileError, OSError, RuntimeError) as error:
        raise UserError(f"{path}: cannot be read as sound ({one_line(error)}); "
                        "expected wav, flac, ogg or opus") from None
    cut = _CUT_SHORT.search(log)
    if cut and int(cut[1]) < STREAMED:
        raise UserError(f"{path}: ends after {cut[2]} of {cut[1]} bytes of sound; record or copy it again")
    if not len(wav) or not np.isfinite(wav).all():
        raise UserError(f"{path}: found {'broken' if len(wav) else 'no'} samples; record or copy it again")
    if exact and len(wav) < claimed < UNKNOWN_LENGTH:
        raise UserError(f"{path}: ends after {len(wav)} of {claimed} samples; record or copy it again")
    return wav, found


def _read_channels(path: Path, file: "SoundFile") -> np.ndarray:
    """Returns all samples (S, C) as float32. Reads in blocks, since a header may claim any length."""
    blocks, left = [], MOST_SAMPLES
    while len(block := file.read(READ_BLOCK // file.channels + 1, dtype="float32", always_2d=True)):
        blocks.append(block)
        left -= block.size
        if left < 0:
            raise UserError(f"{path}: found more than {MOST_SAMPLES} samples; cut it into sentences")
    return np.concatenate(blocks) if blocks else np.zeros((0, 1), np.float32)


def _mixed_down(wav: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """wav (S, C) -> the mean of the channels (S,), or the loudest channel if they cancel out; and the changes made."""
    if wav.shape[1] == 1:
        return wav[:, 0], []
    mean, powers = wav.mean(axis=1), np.mean(np.square(wav), axis=0)
    if np.mean(np.square(mean)) < CANCELLED * powers.mean():
        return wav[:, powers.argmax()], ["taking one channel of recordings whose channels cancel each other out"]
    return mean, ["mixing recordings of several channels down to one"]


def _scaled_down(path: Path, wav: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Brings samples beyond [-1, 1], which files of floating point samples may have, into this range.

    Clipping would distort them. Peaks up to MOST_OVERSHOOT are divided by the peak, and higher ones by 32768, the scale
    of 16-bit samples, which keeps the levels of such recordings relative to each other. Raises UserError for more.
    """
    peak = float(np.abs(wav).max())
    if peak <= 1.02:  # resampling and lossy formats exceed the range by a little: those samples may be clipped
        return wav, []
    if peak <= MOST_OVERSHOOT:
        return wav / peak, ["scaling recordings with peaks above 1 down to a peak of 1"]
    if peak <= 33000:
        return wav / 32768, ["dividing recordings on the scale of 16-bit integers by 32768"]
    raise UserError(f"{path}: found samples up to {peak:.3g}, expected -1 to 1; convert it to 16-bit samples")


@functools.cache  # so that a process reports each change once, whatever its warnings filter
def warn_once(change: str) -> None:
    """Warns with this text, unless this process already did."""
    warnings.warn(f"{change} (reported once)", stacklevel=3)


def to_int16(wav: np.ndarray) -> np.ndarray:
    """wav (S,) float in [-1, 1] -> int16 (S,), rounded; values outside are clipped."""
    return np.clip(np.round(np.asarray(wav, dtype=np.float32) * 32768), -32768, 32767).astype(np.int16)


def wav_header(rate: int, samples: int | None = None) -> bytes:
    """Returns the 44 bytes before 16-bit mono samples in a wav; samples: their number, None if it is not yet known."""
    size = STREAMED if samples is None else 2 * samples
    return struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", size + 36, b"WAVE", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16,
                       b"data", size)


def encode_wav(wav: np.ndarray, rate: int = 22050, ending: str = ".wav") -> bytes:
    """Returns the bytes of a sound file: wav (S,) float in [-1, 1] at `rate` Hz, in 16 bits (.ogg: Vorbis).

    ending: .wav, .flac or .ogg. Raises UserError for another.
    """
    if ending.lower() not in FORMATS:
        raise UserError(f"cannot write {ending or 'a name without an ending'}; expected {', '.join(FORMATS)}")
    kind, encoding = FORMATS[ending.lower()]
    samples = to_int16(wav)
    if kind == "WAV" and len(samples) < MOST_WAV_SAMPLES:  # the import of soundfile takes longer than a word
        return wav_header(rate, len(samples)) + samples.astype("<i2").tobytes()
    import soundfile
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", rate, 1, encoding, format=kind) as file:
        for start in range(0, len(samples), WRITE_BLOCK):
            file.write(samples[start:start + WRITE_BLOCK])
    return buffer.getvalue()


def write_wav(path: Path, wav: np.ndarray, rate: int = 22050) -> None:
    """Writes wav (S,) float in [-1, 1] in the format of the path's ending (.wav, .flac, .ogg), 16 bits.

    The file is written atomically. Raises UserError for an unknown ending, a missing folder, no permission or a full
    disk.
    """
    path = Path(path)
    try:
        data = encode_wav(wav, rate, path.suffix)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    with atomic_write(path) as file:
        file.write(data)


def write_stream(chunks: Iterable[np.ndarray], descriptor: int, rate: int, raw: bool = False) -> tuple[int, float]:
    """Writes a wav to an open file, each chunk (S,) as soon as it is computed; raw: the 16-bit samples without header.

    A regular file is written at the end, because its header needs the length; the header in a pipe leaves it open.
    Returns the number of samples written, and the time (time.perf_counter) of the first chunk. Raises UserError if the
    file cannot be written, and BrokenPipeError if it is a pipe that nobody reads any more.
    """
    count, first = 0, 0.0
    whole = stat.S_ISREG(os.fstat(descriptor).st_mode)
    if whole:
        chunks = [np.concatenate(list(chunks))]
    try:  # not through sys.stdout, which would try again, and print an error, at exit
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
