"""The vocoder alone, from recorded mels: waves for outside judges, and what can be measured without one.

    python experiments/measure_vocoder.py corpus/heldout.csv corpus out/copy --json results/vocoder.json
        --picture results/vocoder_spectrum.png

heldout.csv: lines id|text of recordings corpus/wavs/<id>.wav. Writes out/copy/<id>.wav and <id>.npy as make_samples.py
does. Long-term spectra are compared in thirds of an octave, from 100 Hz to 8 kHz, without evening their levels.
"""
import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

import waveglow
from audio import read_wav
from experiments.machine import about
from experiments.make_samples import keep, recorded, weights_of
from hparams import AudioConfig
from runtime.devices import pick_device
from runtime.errors import UserError
from runtime.files import write_text
from text import Line, read_metadata

N_FFT = 4096  # of the long-term spectra: bins of 5.4 Hz, so that the lowest band has five
LOWEST, HIGHEST, PER_OCTAVE = 100.0, 8000.0, 3
ALLOWED_DB = 3.0
QUIET = 1e-5  # magnitudes below it count as it: the floor of the mels
ROWS = 4  # in the batch that is compared with single rows, and in the comparison of precisions


def power_spectrum(wave: np.ndarray) -> np.ndarray:
    """wave (S,) float32 -> (N_FFT / 2 + 1,) float64, power summed over Hann windows that overlap by half."""
    padded = np.pad(wave, (0, max(0, N_FFT - len(wave))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::N_FFT // 2]
    return (np.abs(np.fft.rfft(frames * np.hanning(N_FFT))) ** 2).sum(0)


def band_edges() -> np.ndarray:
    """Hz, thirds of an octave from LOWEST up; the last band is cut at HIGHEST."""
    count = int(np.ceil(np.log2(HIGHEST / LOWEST) * PER_OCTAVE))
    return np.minimum(LOWEST * 2 ** (np.arange(count + 1) / PER_OCTAVE), HIGHEST)


def band_levels(power: np.ndarray) -> np.ndarray:
    """power (N_FFT / 2 + 1,) -> (bands,) dB, of the mean power in each band."""
    frequencies = np.arange(len(power)) * AudioConfig().sample_rate / N_FFT
    edges = band_edges()
    return np.array([10 * np.log10(power[(frequencies >= low) & (frequencies < high)].mean() + 1e-12)
                     for low, high in zip(edges, edges[1:])])


def log_spectral_distance(one: Tensor, other: Tensor) -> float:
    """dB between two waves (S,): the root of the mean square over bins of the difference of log magnitudes, mean over
    frames (Gray and Markel 1976), with the audio settings' window; magnitudes below QUIET count as QUIET."""
    audio = AudioConfig()
    window = torch.hann_window(audio.n_fft)
    levels = [20 * torch.log10(torch.stft(wave.float().cpu(), audio.n_fft, audio.hop_length, window=window,
                                          return_complex=True).abs().clamp(min=QUIET)) for wave in (one, other)]
    return (levels[0] - levels[1]).square().mean(0).sqrt().mean().item()


def compare_spectra(written: np.ndarray, original: np.ndarray) -> dict[str, Any]:
    """Figures of two summed power spectra, of the output and of the recordings."""
    levels = [band_levels(power) for power in (original, written)]
    difference = levels[1] - levels[0]
    return {"edges_hz": band_edges().round(1).tolist(), "recordings_db": levels[0].round(2).tolist(),
            "output_db": levels[1].round(2).tolist(), "difference_db": difference.round(2).tolist(),
            "largest_difference_db": round(float(np.abs(difference).max()), 2), "allowed_db": ALLOWED_DB,
            "within": bool(np.abs(difference).max() <= ALLOWED_DB)}


def copy_all(lines: list[Line], recordings: Path, out: Path, vocoder: waveglow.WaveGlow,
             device: torch.device) -> tuple[dict[str, Any], list[Tensor]]:
    """Writes the waves and mels. Returns the figures of their spectrum, and the first ROWS mels (1, M, T)."""
    out.mkdir(parents=True, exist_ok=True)
    written, original = np.zeros(N_FFT // 2 + 1), np.zeros(N_FFT // 2 + 1)
    mels: list[Tensor] = []
    for number, (line, mel) in enumerate(zip(lines, recorded(lines, recordings))):
        mel = mel.to(device)
        wave = keep(out, line.name, mel, vocoder, number)
        wav = read_wav(recordings / "wavs" / f"{line.name}.wav")
        samples = min(len(wave), len(wav))
        written, original = written + power_spectrum(wave[:samples]), original + power_spectrum(wav[:samples])
        if len(mels) < ROWS:
            mels.append(mel)
    return compare_spectra(written, original), mels


def say(vocoder: waveglow.WaveGlow, mel: Tensor, seed: int = 0) -> Tensor:
    """mel (1, M, T) -> wave (S,), its noise from a seed."""
    return vocoder.infer(mel, generator=torch.Generator().manual_seed(seed))[0]


def repeatable(vocoder: waveglow.WaveGlow, mels: list[Tensor]) -> dict[str, Any]:
    """The largest differences between samples of waves that should be alike: said again, and said in a batch."""
    singles = [say(vocoder, mel, number) for number, mel in enumerate(mels)]
    again = max((say(vocoder, mel, number) - wave).abs().max().item()
                for number, (mel, wave) in enumerate(zip(mels, singles)))
    lengths = [mel.shape[2] for mel in mels]
    batch = torch.zeros(len(mels), mels[0].shape[1], max(lengths), device=mels[0].device)
    for row, mel in zip(batch, mels):
        row[:, :mel.shape[2]] = mel[0]
    together = vocoder.infer(batch, generator=[torch.Generator().manual_seed(number) for number in range(len(mels))],
                             mel_lengths=torch.tensor(lengths))
    apart = max((row[:len(wave)] - wave).abs().max().item() for row, wave in zip(together, singles))
    return {"same_seed_largest_difference": again, "batch_and_single_largest_difference": apart, "rows": len(mels)}


def precisions(vocoder: waveglow.WaveGlow, mels: list[Tensor]) -> dict[str, Any]:
    """Log-spectral distances to float32 on a GPU, of the same noise; that of other noise is for comparison."""
    if mels[0].device.type != "cuda":
        return {"skipped": "no GPU: on the CPU the network runs in float32 only"}
    distances: dict[str, list[float]] = {"float16": [], "bfloat16": [], "float32, other noise": []}
    for mel in mels:
        plain = say(vocoder, mel)
        for name, dtype in (("float16", torch.float16), ("bfloat16", torch.bfloat16)):
            with torch.autocast("cuda", dtype):
                distances[name].append(log_spectral_distance(say(vocoder, mel), plain))
        distances["float32, other noise"].append(log_spectral_distance(say(vocoder, mel, seed=1), plain))
    return {f"{name}_db": round(float(np.mean(values)), 3) for name, values in distances.items()}


def draw(path: Path, spectrum: dict[str, Any]) -> None:
    """Draws both spectra, and their difference between the lines that it should keep to."""
    from matplotlib.figure import Figure
    figure = Figure(figsize=(9, 6), layout="constrained")
    above, below = figure.subplots(2, sharex=True, height_ratios=(2, 1))
    edges = spectrum["edges_hz"]
    above.stairs(spectrum["recordings_db"], edges, baseline=None, label="recordings", linewidth=2)
    above.stairs(spectrum["output_db"], edges, baseline=None, label="vocoder, from their mels", linewidth=2)
    above.set(xscale="log", ylabel="dB", title="Long-term average spectrum, thirds of an octave")
    above.legend()
    below.stairs(spectrum["difference_db"], edges, baseline=0, fill=True)
    for limit in (-ALLOWED_DB, ALLOWED_DB):
        below.axhline(limit, color="red", linewidth=0.8)
    below.set(xlabel="Hz", ylabel="difference, dB", xticks=[100, 200, 500, 1000, 2000, 4000, 8000],
              xticklabels=["100", "200", "500", "1k", "2k", "4k", "8k"])
    figure.savefig(path, dpi=100)


def get_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lines", type=Path)
    parser.add_argument("recordings", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--weights", type=Path, help="WaveGlow's; default: those that synthesize.py takes")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or cuda:N")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures here too")
    parser.add_argument("--picture", type=Path, metavar="PATH.png", help="draw the spectra")
    return parser.parse_args()


@torch.inference_mode()
def run(options: argparse.Namespace) -> None:
    """Does what the command line says. Raises UserError."""
    device, path = pick_device(options.device), options.weights or weights_of("waveglow")
    vocoder = waveglow.load(path).to(device)
    lines = read_metadata(options.lines)
    spectrum, mels = copy_all(lines, options.recordings, options.out, vocoder, device)
    figures = {**about(device), "weights": f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()[:12]}",
               "parameters": sum(weight.numel() for weight in vocoder.parameters()), "utterances": len(lines),
               "spectrum": spectrum, "repeatable": repeatable(vocoder, mels), "precision": precisions(vocoder, mels)}
    text = json.dumps(figures, indent=1)
    print(text)
    if options.json:
        write_text(options.json, text + "\n")
    if options.picture:
        draw(options.picture, spectrum)


def main() -> int:
    """Entry point; returns the exit status, 2 after a user's mistake."""
    try:
        run(get_arguments())
    except UserError as error:
        print(f"measure_vocoder.py: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
