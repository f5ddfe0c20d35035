"""The settings and the results of synthesis."""
import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from hparams import UserError

SENTENCE_PAUSE = 0.3  # seconds


@dataclasses.dataclass(frozen=True)
class SpeechSettings:
    """The arguments of Synthesizer.speak, except the text. Raises UserError for a value out of its range."""
    speed: float = 1.0  # 0.25 to 4, times as fast
    pause: float = SENTENCE_PAUSE  # seconds between sentences
    seed: int = 0  # of the vocoder's noise
    sigma: float | None = None  # scale of the vocoder's noise; None: the one in the config of its weights
    denoise: float = 0.0  # 0 to 1: share of the vocoder's constant noise that is subtracted

    def __post_init__(self) -> None:
        from text.plan import LONGEST_PAUSE
        for name, value, low, high in (("speed", self.speed, 0.25, 4.0), ("pause", self.pause, 0.0, LONGEST_PAUSE),
                                       ("sigma", self.sigma or 0.0, 0.0, 2.0), ("denoise", self.denoise, 0.0, 1.0)):
            if not low <= value <= high:
                raise UserError(f"{name}: found {value:g}, expected {low:g} to {high:g}")


class PredictedMel(NamedTuple):
    """The student's output for one piece of text."""
    mel: Any  # (M, T) float32: a tensor on the student's device, or an array; see `to_host` of its predictor
    durations: np.ndarray  # (N,) int64 frames for each symbol, summing to T


class SpokenWord(NamedTuple):
    """A word as it stood in the text, and its position in the wave."""
    text: str
    start: float  # seconds
    end: float  # seconds


@dataclasses.dataclass(eq=False)
class Speech:
    """Result of Synthesizer.speak."""
    wave: np.ndarray  # (S,) float32 in [-1, 1]
    sample_rate: int  # Hz
    words: list[SpokenWord]
    dropped: str  # characters of the text that cannot be said, each once
    make_mel: Callable[[], np.ndarray]  # see `mel`

    @functools.cached_property
    def mel(self) -> np.ndarray:
        """Returns the mel (M, T) float32, natural log; includes the silences, T = S / hop rounded up.

        It is made when it is first requested: most programs need only the wave, and on a GPU it has to be copied.
        """
        return self.make_mel()

    def __getstate__(self) -> dict[str, Any]:
        """Returns what pickle stores: the mel itself, since the function that makes it holds the networks."""
        return {**vars(self), "mel": self.mel, "make_mel": None}


class Stream:
    """Result of Synthesizer.stream.

    chunks: each (S,) float32 in [-1, 1], computed when it is requested. found: characters that cannot be said, which
    the chunks add to.
    """

    def __init__(self, chunks: Iterator[np.ndarray], found: list[str]) -> None:
        self.chunks, self._found = chunks, found

    @property
    def dropped(self) -> str:
        """Returns what Speech.dropped is, of the chunks so far; all of it after the last chunk."""
        return "".join(dict.fromkeys("".join(self._found)))
