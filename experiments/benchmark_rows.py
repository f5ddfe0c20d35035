"""What benchmark.py measures inside one process: the student alone, whole speech, and Piper's speech for comparison.

The text has 101 symbols. The student computes its durations, and then they are set to 577 frames in all, 6.7 s, the
length that the published code was measured with.
"""
import functools
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from experiments.benchmark_process import MINUTE, SENTENCE
from experiments.machine import median_seconds, synchronize
from experiments.piper_voice import Piper
from hparams import CONFIGS, WaveGlowConfig
from lightspeech import LightSpeech
from synthesis.vocoder_runner import VocoderRunner
from synthesize import Synthesizer
from waveglow import WaveGlow

SYMBOLS, FRAMES = 101, 577  # of SENTENCE
FRAME_SECONDS = 256 / 22050
WORD = "button"
BATCHES = {"cpu": (1, 2, 4, 8, 16, 32), "cuda": (1, 4, 16, 64, 128, 256)}  # texts at once
LENGTHS = (12, 25, 50, 101, 200, 400)  # symbols
SENTENCES = {"cpu": 8, "cuda": 64}  # in the long text
Row = dict[str, Any]  # "row": what was measured, "ms"; maybe "batch", "symbols", "times_real_time", "peak_memory_mb"


def fix_durations(model: LightSpeech) -> None:
    """Makes a model give FRAMES / SYMBOLS frames to each symbol, rounded at its end, in place of what it predicts.

    The prediction is still computed, so that the work is the same.
    """
    def replace_durations(_module: nn.Module, _inputs: tuple[Tensor, ...], predicted: Tensor) -> Tensor:
        ends = (torch.arange(predicted.shape[1] + 1, device=predicted.device) * (FRAMES / SYMBOLS)).round()
        return torch.cat((predicted[..., :1] * 0 + ends.diff().log1p()[:, None], predicted[..., 1:]), 2)
    model.duration_head[-1].register_forward_hook(replace_durations)


def timed_row(name: str, run: Callable[[], Any], device: torch.device, max_runs: int, seconds: float | None = None,
              batch: int = 1, symbols: int | None = None) -> Row:
    """Returns the row of something that is run repeatedly; seconds: of speech that one run makes."""
    spent = median_seconds(run, device, max_runs)
    row: Row = {"row": name, "batch": batch, "symbols": symbols, "ms": 1e3 * spent}
    return {**row, "times_real_time": seconds / spent} if seconds else row


def mel_row(speaker: Synthesizer, batch: int, symbols: int, plain: bool, max_runs: int) -> Row:
    """Returns the row of ids -> mel for `batch` random texts of equal length."""
    ids = torch.randint(1, 148, (batch, symbols), generator=torch.Generator().manual_seed(0)).to(speaker.device)
    lengths = torch.full((batch,), symbols, device=speaker.device)
    model = speaker.student if plain else speaker.mel_predictor.fast
    seconds = batch * model.infer(ids, lengths).frames[0] * FRAME_SECONDS
    return timed_row(f"ids -> mel{', plain path' if plain else ''}", lambda: model.infer(ids, lengths), speaker.device,
                     max_runs, seconds, batch, symbols)


def speech_row(speaker: Synthesizer, name: str, text: str, max_runs: int) -> Row:
    """Returns the row of Synthesizer.speak, text -> wave in memory."""
    speech = speaker.speak(text)
    return timed_row(f"text -> wav, {name}", lambda: speaker.speak(text), speaker.device, max_runs,
                     len(speech.wave) / speech.sample_rate)


def first_sound_row(speaker: Synthesizer, max_runs: int) -> Row:
    """Returns the row of the time until Synthesizer.stream gives the first samples of a minute of speech."""
    def wait_for_first() -> None:
        next(chunk for chunk in speaker.stream(MINUTE).chunks if len(chunk))
    return timed_row("first sound of a minute, warm process", wait_for_first, speaker.device, max_runs)


def published_vocoder(speaker: Synthesizer, tiny: bool) -> VocoderRunner:
    """Returns a WaveGlow of the published size with random weights; tiny: of the "tiny" configuration."""
    torch.manual_seed(0)
    vocoder = WaveGlow(CONFIGS["waveglow"]["tiny"][0] if tiny else WaveGlowConfig()).eval()
    for network in vocoder.WN:
        torch.nn.init.normal_(network.end.weight, std=0.01)  # they begin at zero, and a flow would change nothing
    vocoder.fold_weight_norm()
    return VocoderRunner(vocoder.to(speaker.device), speaker.audio, speaker.device)


def measure_ours(device: torch.device, tiny: bool) -> list[Row]:
    """Returns the rows of this project on a device; tiny: fewer of them, each measured once, to try the script."""
    max_runs, few_runs = (1, 1) if tiny else (50, 10)
    start = time.perf_counter()
    speaker = Synthesizer(device=device.type)
    synchronize(device)
    rows: list[Row] = [{"row": "loading the weights", "ms": 1e3 * (time.perf_counter() - start)}]
    fast = speaker.mel_predictor.fast
    for model in {speaker.student, getattr(fast, "model", speaker.student)}:  # the fast one has a copy
        fix_durations(model)
    rows += [mel_row(speaker, 1, SYMBOLS, plain, max_runs) for plain in (False, True)]
    rows += [mel_row(speaker, batch, SYMBOLS, False, few_runs) for batch in BATCHES[device.type][1:2 if tiny else None]]
    lengths = [symbols for symbols in LENGTHS[:1 if tiny else None] if symbols != SYMBOLS]
    rows += [mel_row(speaker, 1, symbols, False, max_runs) for symbols in lengths]
    count = SENTENCES[device.type]
    rows += [speech_row(speaker, "our vocoder", SENTENCE, max_runs),
             speech_row(speaker, f'our vocoder, "{WORD}"', WORD, max_runs),
             first_sound_row(speaker, few_runs)]
    if not tiny:
        rows.append(speech_row(speaker, f"our vocoder, {count} sentences", " ".join([SENTENCE] * count), few_runs))
    speaker.vocoder = published_vocoder(speaker, tiny)
    return [*rows, speech_row(speaker, "a WaveGlow of the published size", SENTENCE, max_runs)]


def measure_piper(threads: int, max_runs: int) -> list[Row]:
    """Returns the rows of Piper's speech on the CPU: the sentence, at its own pace, and the word."""
    piper, rows = Piper(threads), []
    for name, text in (("Piper", SENTENCE), (f'Piper, "{WORD}"', WORD)):
        wave, sample_rate = piper.speak(text)
        rows.append(timed_row(f"text -> wav, {name}", functools.partial(piper.speak, text), torch.device("cpu"),
                              max_runs, len(wave) / sample_rate))
    return rows
