"""Speed and size of vocoders at the mel rate of several sizes, through ONNX Runtime on one CPU thread.

    python experiments/vocoder_sizes.py                # writes results/vocoder_sizes.json and prints a table
    python experiments/vocoder_sizes.py --flows 0 2 4  # other numbers of coupling layers

The weights are random: speed and size do not depend on them. Each network is exported as a trained one is. CPU time of
one thread, least of the runs, which hardly depends on what else the machine does; the networks take turns.
"""
import argparse
import dataclasses
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import waveglow
from experiments.machine import describe_machine
from hparams import CONFIGS, AudioConfig
from runtime.onnx_files import read_onnx
from synthesis.onnx_voice import OnnxVocoder

ROOT = Path(__file__).resolve().parents[1]
SIZES = {"6 blocks 144/432": {"n_blocks": 6, "block_channels": 144, "block_hidden": 432},
         "6 blocks 208/624": {"n_blocks": 6, "block_channels": 208, "block_hidden": 624},
         "8 blocks 256/768": {"n_blocks": 8, "block_channels": 256, "block_hidden": 768}}
RUNS = {48: 200, 577: 25}  # frames, of a word with its tail and of a sentence -> runs


def build(size: dict[str, int], n_flows: int, folder: Path) -> tuple[OnnxVocoder, dict[str, Any]]:
    """Returns a vocoder of random weights, and its parameters and the megabytes of its files."""
    torch.manual_seed(0)
    config = dataclasses.replace(CONFIGS["waveglow"]["default"][0], **size, n_flows=n_flows)
    model, paths = waveglow.build(config).eval(), [folder / f"vocoder.{ending}" for ending in ("safetensors", "onnx")]
    waveglow.save(paths[0], model)
    waveglow.save_onnx(paths[1], model)
    megabytes = {path.suffix: path.stat().st_size / 1e6 for path in paths}
    count = sum(parameter.numel() for parameter in model.parameters())
    vocoder = OnnxVocoder(paths[1], read_onnx(paths[1], "waveglow", AudioConfig()), AudioConfig())
    return vocoder, {"parameters": count, "megabytes": megabytes}


def measure(vocoders: list[OnnxVocoder], frames: int, runs: int) -> list[float]:
    """Returns the least milliseconds of CPU time in which each vocoder makes a wave of so many frames."""
    mel = np.random.default_rng(0).normal(-5, 1, (AudioConfig().n_mels, frames)).astype(np.float32)
    spent: list[list[float]] = [[] for _ in vocoders]
    for _ in range(runs + 2):  # the first two are not counted
        for times, vocoder in zip(spent, vocoders):
            start = time.process_time()
            vocoder.start([mel], [frames], [0], None)
            times.append(1e3 * (time.process_time() - start))
    return [min(times[2:]) for times in spent]


def table(rows: list[dict[str, Any]]) -> str:
    """Returns the rows as a table in Markdown."""
    lines = ["| size | coupling layers | parameters | .safetensors, MB | .onnx, MB |"
             f"{''.join(f' ms for {frames} frames |' for frames in RUNS)}", "|---" * (5 + len(RUNS)) + "|"]
    for row in rows:
        spent = "".join(f" {row['ms'][frames]:.2f} |" for frames in RUNS)
        lines.append(f"| {row['size']} | {row['coupling layers']} | {row['parameters']:,} | "
                     f"{row['megabytes']['.safetensors']:.1f} | {row['megabytes']['.onnx']:.1f} |{spent}")
    return "\n".join(lines)


def main() -> None:
    """Measures, prints the table and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flows", type=int, nargs="+", default=[0, 4], metavar="N", help="default: 0 and 4")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "vocoder_sizes.json", metavar="FILE")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # for ONNX Runtime, see runtime.devices.cpu_threads
    torch.set_num_threads(1)
    rows, vocoders = [], []
    with tempfile.TemporaryDirectory() as folder:
        for n_flows in options.flows:
            for name, size in SIZES.items():
                vocoder, figures = build(size, n_flows, Path(folder))
                vocoders.append(vocoder)
                rows.append({"size": name, "coupling layers": n_flows, **figures, "ms": {}})
    for frames, runs in RUNS.items():
        for row, spent in zip(rows, measure(vocoders, frames, runs)):
            row["ms"][frames] = spent
    print(table(rows))
    machine = {**describe_machine(torch.device("cpu")), "date": time.strftime("%Y-%m-%d")}
    options.out.write_text(json.dumps({**machine, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
