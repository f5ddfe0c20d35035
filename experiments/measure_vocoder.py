"""Measures the vocoder alone, from recorded mels, and writes its waves for outside judges.

    python experiments/measure_vocoder.py corpus/heldout.csv corpus out/copy --json results/vocoder.json
        --picture results/vocoder_spectrum.png

heldout.csv has lines id|text of recordings corpus/wavs/<id>.wav. Writes out/copy/<id>.wav and <id>.npy as
make_samples.py does. Long-term spectra are compared from 100 Hz to 8 kHz without matching their levels.
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
from experiments.command import exit_status
from experiments.machine import describe_machine
from experiments.make_samples import default_weights, recorded_mels, save_sample
from experiments.spectra import ALLOWED_DB, N_FFT, compare_spectra, log_spectral_distance, power_spectrum
from hparams import AudioConfig
from runtime.devices import pick_device
from runtime.files import write_text
from text import Line, read_metadata

AUDIO = AudioConfig()
ROWS = 4  # that are compared as a batch and one by one, and in several precisions


def vocode_recordings(lines: list[Line], recordings: Path, out: Path, vocoder: waveglow.WaveGlow,
                      device: torch.device) -> tuple[dict[str, Any], list[Tensor]]:
    """Writes a wave and a mel for each line. Returns the figures of their spectrum, and the first mels (1, M, T)."""
    out.mkdir(parents=True, exist_ok=True)
    output_power, recorded_power = np.zeros(N_FFT // 2 + 1), np.zeros(N_FFT // 2 + 1)
    mels: list[Tensor] = []
    for number, (line, mel) in enumerate(zip(lines, recorded_mels(lines, recordings))):
        mel = mel.to(device)
        wave = save_sample(out, line.name, mel, vocoder, number)
        recording = read_wav(recordings / "wavs" / f"{line.name}.wav")
        samples = min(len(wave), len(recording))
        output_power += power_spectrum(wave[:samples], AUDIO.sample_rate)
        recorded_power += power_spectrum(recording[:samples], AUDIO.sample_rate)
        if len(mels) < ROWS:
            mels.append(mel)
    return compare_spectra(output_power, recorded_power, AUDIO.sample_rate), mels


def infer(vocoder: waveglow.WaveGlow, mel: Tensor, seed: int = 0) -> Tensor:
    """Returns the wave (S,) of a mel (1, M, T); seed: of the noise."""
    return vocoder.infer(mel, generator=torch.Generator().manual_seed(seed))[0]


def check_repeatability(vocoder: waveglow.WaveGlow, mels: list[Tensor]) -> dict[str, Any]:
    """Returns the largest difference between samples of two runs, and of a batch and single rows, with equal seeds."""
    singles = [infer(vocoder, mel, number) for number, mel in enumerate(mels)]
    again = max((infer(vocoder, mel, number) - wave).abs().max().item()
                for number, (mel, wave) in enumerate(zip(mels, singles)))
    lengths = [mel.shape[2] for mel in mels]
    batch = torch.nn.utils.rnn.pad_sequence([mel[0].t() for mel in mels], batch_first=True).transpose(1, 2)
    together = vocoder.infer(batch, generator=[torch.Generator().manual_seed(number) for number in range(len(mels))],
                             mel_lengths=torch.tensor(lengths))
    apart = max((row[:len(wave)] - wave).abs().max().item() for row, wave in zip(together, singles))
    return {"same_seed_largest_difference": again, "batch_and_single_largest_difference": apart, "rows": len(mels)}


def compare_precisions(vocoder: waveglow.WaveGlow, mels: list[Tensor]) -> dict[str, Any]:
    """Returns the log-spectral distance in dB of half precisions to float32, with equal noise, on a GPU.

    The distance of float32 with other noise stands beside them for comparison.
    """
    if mels[0].device.type != "cuda":
        return {"skipped": "no GPU: on the CPU the network runs in float32 only"}

    def distance(wave: Tensor, other: Tensor) -> float:
        return log_spectral_distance(wave.float().cpu().numpy(), other.float().cpu().numpy(), AUDIO)
    distances: dict[str, list[float]] = {"float16": [], "bfloat16": [], "float32, other noise": []}
    for mel in mels:
        reference = infer(vocoder, mel)
        for name, dtype in (("float16", torch.float16), ("bfloat16", torch.bfloat16)):
            with torch.autocast("cuda", dtype):
                distances[name].append(distance(infer(vocoder, mel), reference))
        distances["float32, other noise"].append(distance(infer(vocoder, mel, seed=1), reference))
    return {f"{name}_db": round(float(np.mean(values)), 3) for name, values in distances.items()}


def draw_spectra(path: Path, spectrum: dict[str, Any]) -> None:
    """Draws both spectra, and below them their difference between two lines at the allowed limit."""
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
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lines", type=Path)
    parser.add_argument("recordings", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--weights", type=Path, help="WaveGlow's; default: those that synthesize.py takes")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or cuda:N")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures to this file too")
    parser.add_argument("--picture", type=Path, metavar="PATH.png", help="draw the spectra")
    return parser.parse_args()


@torch.inference_mode()
def run(options: argparse.Namespace) -> None:
    """Measures, prints and writes what the command line asks for. Raises UserError for a user's mistake."""
    device, path = pick_device(options.device), options.weights or default_weights("waveglow")
    vocoder = waveglow.load(path).to(device)
    lines = read_metadata(options.lines)
    spectrum, mels = vocode_recordings(lines, options.recordings, options.out, vocoder, device)
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    figures = {**describe_machine(device), "weights": f"{path.name} {checksum}",
               "parameters": sum(weight.numel() for weight in vocoder.parameters()), "utterances": len(lines),
               "spectrum": spectrum, "repeatable": check_repeatability(vocoder, mels),
               "precision": compare_precisions(vocoder, mels)}
    text = json.dumps(figures, indent=1)
    print(text)
    if options.json:
        write_text(options.json, text + "\n")
    if options.picture:
        draw_spectra(options.picture, spectrum)


def main() -> int:
    """Entry point; returns the exit status."""
    return exit_status("measure_vocoder.py", lambda: run(get_arguments()))


if __name__ == "__main__":
    sys.exit(main())
