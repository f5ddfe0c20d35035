"""What benchmark.py measures inside one process: the student alone and whole speech.

The text has 101 symbols. The speed is set so that it has 577 frames, 6.7 s, the length that the published code was
measured with.
"""
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import lightspeech
from experiments.benchmark_process import MINUTE, SENTENCE
from experiments.machine import least_cpu_seconds, median_seconds, synchronize
from experiments.piper_voice import WORD
from hparams import CONFIGS, WaveGlowConfig
from runtime.weights import newest_weights
from synthesis.speech import PredictedMel
from synthesis.torch_vocoder import TorchVocoder
from synthesis.vocoder_runner import VocoderRunner
from synthesize import Synthesizer
from text import Reading, read
from waveglow import WaveGlow

SYMBOLS, FRAMES = 101, 577  # of SENTENCE
FRAME_SECONDS = 256 / 22050
BATCHES = {"cpu": (1, 4, 16), "cuda": (1, 4, 16, 64, 128, 256)}  # texts at once
LENGTHS = (12, 25, 50, 101, 200, 400)  # symbols
SENTENCES = {"cpu": 8, "cuda": 64}  # in the long text
ROOT = Path(__file__).resolve().parents[1]
Predict = Callable[[Sequence[Reading], float], list[PredictedMel]]
Row = dict[str, Any]  # "row": what was measured, "ms"; maybe "cpu_ms", "batch", "symbols", ...


def readings_of(batch: int, symbols: int) -> list[Reading]:
    """Returns readings of random symbols without pauses: SYMBOLS of them at speeds of `exact_speed` have FRAMES."""
    ids = torch.randint(1, 148, (batch, symbols), generator=torch.Generator().manual_seed(0)).tolist()
    return [Reading(row, [False] * symbols, [], "") for row in ids]


def exact_speed(predict: Predict, reading: Reading, frames: int = FRAMES) -> float:
    """Returns the speed at which a reading has this number of frames, to the frame; its pauses keep theirs."""
    (spoken,), pauses = predict([reading], 1.0), np.array(reading.pauses)
    return float(spoken.durations[~pauses].sum() / (frames - spoken.durations[pauses].sum()))


def timed_row(name: str, run: Callable[[], Any], device: torch.device, max_runs: int, seconds: float | None = None,
              batch: int = 1, symbols: int | None = None) -> Row:
    """Returns the row of something that is run repeatedly; seconds: of speech that one run makes."""
    spent = median_seconds(run, device, max_runs)
    row: Row = {"row": name, "batch": batch, "symbols": symbols, "ms": 1e3 * spent}
    if device.type == "cpu":
        row["cpu_ms"] = 1e3 * least_cpu_seconds(run, min(10, max_runs))
    return {**row, "times_real_time": seconds / spent} if seconds else row


def mel_row(speaker: Synthesizer, batch: int, symbols: int, max_runs: int) -> Row:
    """Returns the row of ids -> mel for `batch` random texts of equal length."""
    readings, predict = readings_of(batch, symbols), speaker.mel_predictor.predict
    speed = exact_speed(predict, readings[0], round(FRAMES / SYMBOLS * symbols))
    seconds = sum(len(piece.mel[0]) for piece in predict(readings, speed)) * FRAME_SECONDS
    return timed_row("ids -> mel", lambda: predict(readings, speed), torch.device(speaker.device), max_runs, seconds,
                     batch, symbols)


def plain_mel_row(speaker: Synthesizer, max_runs: int) -> Row:
    """Returns the row of ids -> mel by LightSpeech.infer in PyTorch."""
    network = lightspeech.load(newest_weights(ROOT / "lightspeech" / "pre_trained_model", None, "")).to(speaker.device)
    reading, = readings_of(1, SYMBOLS)
    speed = exact_speed(speaker.mel_predictor.predict, reading)
    ids = torch.tensor([reading.ids], device=speaker.device)
    lengths = torch.tensor([SYMBOLS], device=speaker.device)
    return timed_row("ids -> mel, plain path", lambda: network.infer(ids, lengths, speed), torch.device(speaker.device),
                     max_runs, FRAMES * FRAME_SECONDS, 1, SYMBOLS)


def speech_row(speaker: Synthesizer, name: str, text: str, max_runs: int, speed: float = 1.0) -> Row:
    """Returns the row of Synthesizer.speak, text -> wave in memory."""
    speech = speaker.speak(text, speed)
    return timed_row(f"text -> wav, {name}", lambda: speaker.speak(text, speed), torch.device(speaker.device), max_runs,
                     len(speech.wave) / speech.sample_rate)


def sound_row(speaker: Synthesizer, batch: int, max_runs: int) -> Row:
    """Returns the row of ids -> wav, waves of FRAMES in memory, for `batch` random texts of equal length."""
    readings, predict = readings_of(batch, SYMBOLS), speaker.mel_predictor.predict
    speed = exact_speed(predict, readings[0])
    seconds = sum(len(piece.mel[0]) for piece in predict(readings, speed)) * FRAME_SECONDS

    def run() -> None:
        mels = [piece.mel for piece in predict(readings, speed)]
        list(speaker.vocoder.synthesize(mels, range(batch), None, 0.0))
    return timed_row("ids -> wav, our vocoder", run, torch.device(speaker.device), max_runs, seconds, batch, SYMBOLS)


def first_sound_row(speaker: Synthesizer, max_runs: int) -> Row:
    """Returns the row of the time until Synthesizer.stream gives the first samples of a minute of speech."""
    def wait_for_first() -> None:
        next(chunk for chunk in speaker.stream(MINUTE).chunks if len(chunk))
    return timed_row("first sound of a minute, warm process", wait_for_first, torch.device(speaker.device),
                     max_runs)


def published_vocoder(speaker: Synthesizer, tiny: bool) -> VocoderRunner:
    """Returns a WaveGlow of the published size with random weights; tiny: of the "tiny" configuration."""
    torch.manual_seed(0)
    vocoder = WaveGlow(CONFIGS["waveglow"]["tiny"][0] if tiny else WaveGlowConfig()).eval()
    for network in vocoder.WN:
        torch.nn.init.normal_(network.end.weight, std=0.01)  # they begin at zero, and a flow would change nothing
    vocoder.fold_weight_norm()
    return VocoderRunner(TorchVocoder(vocoder.to(speaker.device), speaker.audio), speaker.audio)


def measure_ours(device: torch.device, tiny: bool) -> list[Row]:
    """Returns the rows of this project on a device; tiny: fewer of them, each measured once, to try the script."""
    max_runs, few_runs = (1, 1) if tiny else (50, 10)
    start = time.perf_counter()
    speaker = Synthesizer(device=device.type)
    synchronize(device)
    rows: list[Row] = [{"row": "loading the weights", "ms": 1e3 * (time.perf_counter() - start)}]
    rows += [mel_row(speaker, 1, SYMBOLS, max_runs), plain_mel_row(speaker, max_runs)]
    rows += [mel_row(speaker, batch, SYMBOLS, few_runs) for batch in BATCHES[device.type][1:2 if tiny else None]]
    lengths = [symbols for symbols in LENGTHS[:1 if tiny else None] if symbols != SYMBOLS]
    rows += [mel_row(speaker, 1, symbols, max_runs) for symbols in lengths]
    count, settings = SENTENCES[device.type], speaker.mel_predictor.text
    assert settings is not None  # weights from a file have their text settings
    speed = exact_speed(speaker.mel_predictor.predict, read(SENTENCE, settings))
    rows += [speech_row(speaker, "our vocoder", SENTENCE, max_runs, speed),
             speech_row(speaker, f'our vocoder, "{WORD}"', WORD, max_runs),
             first_sound_row(speaker, few_runs), sound_row(speaker, 1, max_runs)]
    rows += [sound_row(speaker, batch, few_runs) for batch in BATCHES[device.type][1:2 if tiny else 4]]
    if not tiny:
        rows.append(speech_row(speaker, f"our vocoder, {count} sentences", " ".join([SENTENCE] * count), few_runs))
    if device.type == "cuda" or tiny:  # on a CPU it takes a minute
        speaker.vocoder = published_vocoder(speaker, tiny)
        rows.append(speech_row(speaker, "a WaveGlow of the published size", SENTENCE, max_runs, speed))
    return rows
