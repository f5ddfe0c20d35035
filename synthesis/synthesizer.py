"""Text to speech: the student makes the mel, a vocoder the wave."""
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hparams import AudioConfig
from runtime.batching import group_by_length, row_seed
from runtime.errors import UserError
from runtime.weights import newest_weights, weights_notes
from synthesis.vocoder_runner import TAIL_FRAMES, Sounds

if TYPE_CHECKING:
    import torch

    from text import Reading
    from text.plan import Plan
    from waveglow import WaveGlow
SENTENCE_PAUSE = 0.3  # seconds
SYMBOLS_AT_ONCE = {"cpu": 1000, "cuda": 8000}  # padded, in a batch of the student
PIECES_AT_ONCE = {"cpu": 1, "cuda": 16}  # of a stream, after the first
VOCODERS = ("waveglow", "griffin-lim")
_HERE = Path(__file__).resolve().parents[1]


class SpokenWord(NamedTuple):
    """A word as it stood in the text, and where it is in the wave."""
    text: str
    start: float  # seconds
    end: float  # seconds


class Speech(NamedTuple):
    """What Synthesizer.speak returns."""
    wave: np.ndarray  # (S,) float32 in [-1, 1]
    sample_rate: int  # Hz
    words: list[SpokenWord]
    mel: np.ndarray  # (M, T) float32, natural log; silences included, T = S / hop rounded up
    dropped: str  # characters of the text that could not be said, each once


class Stream(NamedTuple):
    """What Synthesizer.stream returns."""
    chunks: Iterator[np.ndarray]  # each (S,) float32 in [-1, 1], made when it is asked for
    dropped: str  # as in Speech


class _Voice(NamedTuple):
    """What the student made of one piece."""
    mel: "torch.Tensor"  # (M, T) float32, on the speaker's device
    on_host: "torch.Tensor"  # the same on the host, where it is once the device has been waited for
    durations: np.ndarray  # (N,) int64 frames, summing to T


class Synthesizer:
    """Speaks with the weights given, or with the newest that lie in the packages' pre_trained_model/ folders.

    weights: the student's file; vocoder: "waveglow", or "griffin-lim", which needs no weights and sounds worse;
    vocoder_weights: WaveGlow's file; device: "auto" (a GPU if there is one), "cpu", "cuda" or "cuda:N"; generation:
    "old" for a WaveGlow published before November 2018, which its file does not tell.
    Raises UserError for weights that are missing or of another kind, and for a GPU that is not there.
    """

    def __init__(self, weights: str | Path | None = None, vocoder: str = "waveglow",
                 vocoder_weights: str | Path | None = None, device: str = "auto",
                 generation: str | None = None) -> None:
        import lightspeech
        from runtime.devices import pick_device
        from runtime.graphs import RecordedFunction
        if vocoder not in VOCODERS:
            raise UserError(f"vocoder: found {vocoder!r}, expected one of {', '.join(VOCODERS)}")
        self.audio = AudioConfig()
        self.device = pick_device(device)
        self.hardware = _hardware(self.device)  # in words
        path = newest_weights(_HERE / "lightspeech" / "pre_trained_model", weights,
                              "name a student's file with --weights, or make one with train.py and its --export")
        self.student = lightspeech.load(path).to(self.device)
        self.fast = lightspeech.fastest(self.student, RecordedFunction)
        self.preliminary = _preliminary(path)  # lines that tell what the weights lack
        own = self._load_vocoder(vocoder_weights, generation) if vocoder == "waveglow" else None
        self.sounds = Sounds(own, self.audio, self.device)

    def _load_vocoder(self, weights: str | Path | None, generation: str | None) -> "WaveGlow":
        import waveglow
        path = newest_weights(_HERE / "waveglow" / "pre_trained_model", weights,
                              "name WaveGlow's file with --vocoder-weights, or do without: --vocoder griffin-lim")
        self.preliminary += _preliminary(path)
        return waveglow.load(path, generation).to(self.device)

    def speak(self, text: str, speed: float = 1.0, pause: float = SENTENCE_PAUSE, seed: int = 0,
              sigma: float | None = None, denoise: float = 0.0) -> Speech:
        """Says a text of any length; the same arguments on the same device give the same wave.

        speed: 0.25 to 4, times as fast; the silences of punctuation, `pause` and pause marks keep their length.
        pause: seconds between sentences. sigma: scale of WaveGlow's noise, None for what it was trained with; denoise:
        how much of WaveGlow's constant noise is taken away, 0 none, 0.1 much. Raises UserError for values out of range
        and a text that leaves nothing to say.
        """
        plan = self._plan(text, speed, pause, sigma, denoise)
        voices = self._voices(plan.readings, speed)
        starts, length = self._layout(voices, plan.silences)
        seeds = [row_seed(seed, row) for row in range(len(voices))]
        sounds = self.sounds.whole([voice.mel for voice in voices], seeds, sigma, denoise)
        words, wave = self._words(plan, voices, starts), np.zeros(length, np.float32)
        for row, sound in sounds:
            np.clip(sound, -1.0, 1.0, out=wave[starts[row]:starts[row] + len(sound)])
        return Speech(wave, self.audio.sample_rate, words, self._mel(voices, starts, length), plan.dropped)

    def stream(self, text: str, speed: float = 1.0, pause: float = SENTENCE_PAUSE, seed: int = 0,
               sigma: float | None = None, denoise: float = 0.0) -> Stream:
        """As `speak`, which says what goes in; the wave comes in chunks, the first of them a fraction of a second.

        Together they are the wave of `speak`, to rounding. Raises UserError at once for what `speak` refuses.
        """
        plan = self._plan(text, speed, pause, sigma, denoise)
        return Stream(self._chunks(plan, speed, seed, sigma, denoise), plan.dropped)

    def _chunks(self, plan: "Plan", speed: float, seed: int, sigma: float | None,
                denoise: float) -> Iterator[np.ndarray]:
        """The silences and the pieces in order: the first piece in parts, the later ones whole."""
        yield self._silence(plan.silences[0])
        voice, = self._voices(plan.readings[:1], speed)
        for part in self.sounds.parts(voice.mel, row_seed(seed, 0), sigma, denoise):
            yield np.clip(part, -1.0, 1.0)
        for first in range(1, len(plan.readings), PIECES_AT_ONCE[self.device.type]):
            voices = self._voices(plan.readings[first:first + PIECES_AT_ONCE[self.device.type]], speed)
            seeds = [row_seed(seed, row) for row in range(first, first + len(voices))]
            sounds = dict(self.sounds.whole([voice.mel for voice in voices], seeds, sigma, denoise))
            for number in range(len(voices)):
                yield np.concatenate((self._silence(plan.silences[first + number]), np.clip(sounds[number], -1.0, 1.0)))
        yield self._silence(plan.silences[-1])

    def _silence(self, seconds: float) -> np.ndarray:
        return np.zeros(round(seconds * self.audio.sample_rate), np.float32)

    def _plan(self, text: str, speed: float, pause: float, sigma: float | None, denoise: float) -> "Plan":
        from text.plan import LONGEST_PAUSE, make_plan
        for name, value, low, high in (("speed", speed, 0.25, 4.0), ("pause", pause, 0.0, LONGEST_PAUSE),
                                       ("sigma", sigma or 0.0, 0.0, 2.0), ("denoise", denoise, 0.0, 1.0)):
            if not low <= value <= high:
                raise UserError(f"{name}: found {value:g}, expected {low:g} to {high:g}")
        return make_plan(text, self.student.text, pause)

    def _voices(self, readings: list["Reading"], speed: float) -> list[_Voice]:
        """The student's mels and durations, in the order of the readings."""
        import torch
        from torch.nn.utils.rnn import pad_sequence
        voices: dict[int, _Voice] = {}
        for rows in group_by_length([len(reading.ids) for reading in readings], SYMBOLS_AT_ONCE[self.device.type]):
            chosen = [readings[row] for row in rows]
            ids = pad_sequence([torch.tensor(reading.ids) for reading in chosen], batch_first=True)
            pauses = pad_sequence([torch.tensor(reading.pauses) for reading in chosen], batch_first=True)
            lengths = torch.tensor([len(reading.ids) for reading in chosen])
            ids, pauses, lengths = (tensor.to(self.device, non_blocking=True) for tensor in (ids, pauses, lengths))
            result = self.fast.infer(ids, lengths, speed, pauses)
            on_host = result.mel.to("cpu", non_blocking=True)
            for place, row in enumerate(rows):
                mel, same = (mels[place, :, :result.frames[place]] for mels in (result.mel, on_host))
                voices[row] = _Voice(mel, same, result.durations[place, :len(readings[row].ids)].numpy())
        return [voices[row] for row in range(len(readings))]

    def _layout(self, voices: list[_Voice], silences: list[float]) -> tuple[list[int], int]:
        """Where each piece starts in the wave, in samples, and how long the wave is."""
        starts, end = [], 0
        for voice, silence in zip(voices, silences):
            starts.append(end + round(silence * self.audio.sample_rate))
            end = starts[-1] + (voice.mel.shape[1] + TAIL_FRAMES) * self.audio.hop_length
        return starts, end + round(silences[-1] * self.audio.sample_rate)

    def _words(self, plan: "Plan", voices: list[_Voice], starts: list[int]) -> list[SpokenWord]:
        words = []
        for reading, voice, start in zip(plan.readings, voices, starts):
            edges = np.concatenate([[0], np.cumsum(voice.durations)]) * self.audio.hop_length + start
            seconds = (edges / self.audio.sample_rate).tolist()
            words += [SpokenWord(word.text, seconds[word.start], seconds[word.stop]) for word in reading.words]
        return words

    def _mel(self, voices: list[_Voice], starts: list[int], length: int) -> np.ndarray:
        """The pieces' mels at their places in the wave, to the nearest frame, and silence between them."""
        hop = self.audio.hop_length
        mel = np.full((self.audio.n_mels, -(-length // hop)), np.log(self.audio.log_floor), np.float32)
        for voice, start in zip(voices, starts):
            first = round(start / hop)
            mel[:, first:first + voice.mel.shape[1]] = voice.on_host.numpy()
        return mel


def _hardware(device: "torch.device") -> str:
    import torch
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"


def _preliminary(path: Path) -> list[str]:
    """What the notes of a weights file say of its being preliminary, as a list of no or one line."""
    note = weights_notes(path).get("preliminary")
    return [f"{path.name}: {note}"] if note else []
