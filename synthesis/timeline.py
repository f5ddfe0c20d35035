"""The positions of pieces of speech in the whole wave, and what follows from them: its words, samples and mel."""
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hparams import AudioConfig
from synthesis.speech import PredictedMel, SpokenWord
from synthesis.vocoder_runner import TAIL_FRAMES

if TYPE_CHECKING:
    from text import Reading


class Timeline(NamedTuple):
    """Positions in samples."""
    starts: list[int]  # first sample of each piece
    length: int  # of the whole wave


def lay_out(pieces: Sequence[PredictedMel], silences: Sequence[float], audio: AudioConfig) -> Timeline:
    """Returns the timeline of R pieces. silences: R + 1 lengths in seconds, before, between and after the pieces."""
    starts, end = [], 0
    for piece, silence in zip(pieces, silences):
        starts.append(end + round(silence * audio.sample_rate))
        end = starts[-1] + (piece.mel.shape[1] + TAIL_FRAMES) * audio.hop_length
    return Timeline(starts, end + round(silences[-1] * audio.sample_rate))


def time_words(readings: Sequence["Reading"], pieces: Sequence[PredictedMel], timeline: Timeline,
               audio: AudioConfig) -> list[SpokenWord]:
    """Returns the words of all pieces with their start and end, from the durations of their symbols."""
    words = []
    for reading, piece, start in zip(readings, pieces, timeline.starts):
        edges = np.concatenate([[0], np.cumsum(piece.durations)]) * audio.hop_length + start
        seconds = (edges / audio.sample_rate).tolist()
        words += [SpokenWord(word.text, seconds[word.start], seconds[word.stop]) for word in reading.words]
    return words


def join_waves(waves: Iterable[tuple[int, np.ndarray]], timeline: Timeline) -> np.ndarray:
    """Returns the whole wave (S,) float32; waves: the number of each piece and its wave, in any order."""
    joined = np.full(timeline.length, 0.0, np.float32)  # unlike zeros, touches the memory while a GPU still works
    for row, wave in waves:
        start = timeline.starts[row]
        joined[start:start + len(wave)] = wave
    return joined


def join_mels(mels: Sequence[np.ndarray], timeline: Timeline, audio: AudioConfig) -> np.ndarray:
    """Returns the mel (M, T) of the whole wave: each piece at the frame nearest to its start, silence elsewhere."""
    hop = audio.hop_length
    joined = np.full((audio.n_mels, -(-timeline.length // hop)), np.log(audio.log_floor), np.float32)
    for mel, start in zip(mels, timeline.starts):
        first = round(start / hop)
        joined[:, first:first + mel.shape[1]] = mel
    return joined
