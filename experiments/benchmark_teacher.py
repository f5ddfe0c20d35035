"""Speed of the teacher's training: fused and plain recurrences, whole steps and the recurrences alone.

    python experiments/benchmark_teacher.py --json results/benchmark_teacher.json    # an NVIDIA GPU
    python experiments/benchmark_teacher.py --tiny                                   # any machine, seconds

A step is what training does: forward under bfloat16 autocast, all losses, backward, clipping, AdamW. The data are
random; only real frames count as mel frames, padding does not. Times are medians of --steps runs after two that are not
counted, of fewer if they would take more than 20 s.
"""
import argparse
import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from experiments.machine import describe_machine, median_seconds
from hparams import Tacotron2Config
from tacotron2 import Tacotron2
from tacotron2.fused import FusedRecurrence
from tacotron2.loss import losses, total
from tacotron2.recurrence import PLAIN, PlainRecurrence
from tacotron2.recurrence_choice import best_recurrence

TINY = Tacotron2Config(embedding_dim=16, encoder_dim=16, prenet_dim=16, attention_rnn_dim=32, decoder_rnn_dim=32,
                       attention_dim=16, location_n_filters=4, location_kernel_size=5, postnet_dim=16)
WARMUP = 2


def get_arguments() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64, help="rows (default %(default)s)")
    parser.add_argument("--frames", type=int, default=512, help="mel frames of the longest row (default %(default)s)")
    parser.add_argument("--symbols", type=int, default=112, help="symbols of the longest row (default %(default)s)")
    parser.add_argument("--steps", type=int, default=20, help="at most 3 of the plain path (default %(default)s)")
    parser.add_argument("--tiny", action="store_true", help="a small network and few frames")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures here too")
    return parser.parse_args()


def make_batch(rows: int, frames: int, symbols: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Returns random ids (B, N), their lengths, mels (B, M, T) and their lengths; rows are similar in length."""
    mel_lengths = torch.linspace(0.9 * frames, frames, rows).long()
    id_lengths = torch.linspace(0.7 * symbols, symbols, rows).long()
    ids = torch.randint(1, 148, (rows, symbols))
    mel = torch.randn(rows, 80, frames) - 5
    return ids.to(device), id_lengths, mel.to(device), mel_lengths


def measure_step(config: Tacotron2Config, batch: tuple[Tensor, ...], recurrence: PlainRecurrence | FusedRecurrence,
                 times: int) -> dict[str, float]:
    """Returns milliseconds per training step, mel frames per second, and peak GPU memory in GiB."""
    ids, id_lengths, mel, mel_lengths = batch
    device = mel.device
    torch.manual_seed(0)
    model = Tacotron2(config).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, fused=device.type == "cuda")

    def step() -> None:
        """Runs forward, backward and the optimizer on the batch."""
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            output = model(ids, id_lengths, mel, mel_lengths, recurrence)
        optimizer.zero_grad(set_to_none=True)
        total(losses(output, mel)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    seconds = median_seconds(step, device, times, WARMUP)
    peak = torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else 0.0
    return {"ms_per_step": round(1e3 * seconds, 2),
            "mel_frames_per_second": round(mel_lengths.sum().item() / seconds), "peak_memory_gib": round(peak, 2)}


def measure_recurrences(config: Tacotron2Config, batch: tuple[Tensor, ...],
                        recurrence: PlainRecurrence | FusedRecurrence, times: int) -> dict[str, float]:
    """Returns microseconds per frame of each recurrence alone, forward and backward."""
    ids, id_lengths, mel, _ = batch
    (B, N), T, device = ids.shape, mel.shape[2], mel.device
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    model = Tacotron2(config).to(device)
    weights = [weight.detach().requires_grad_() for weight in model.decoder.attention_weights()]

    def inputs(*shape: int) -> Tensor:
        return torch.randn(shape, device=device, dtype=dtype, requires_grad=True)

    gates = inputs(T, B, 4 * config.attention_rnn_dim)
    text = inputs(B, N, config.encoder_dim), inputs(B, N, config.attention_dim)
    lstm_gates, lstm_weight = inputs(T, B, 4 * config.decoder_rnn_dim), model.decoder.decoder_rnn.weight_hh
    lengths = id_lengths.to(device)
    attention_inputs: Any = (gates, *text, *weights, lengths)
    runs = {"attention": lambda: recurrence.attention(*attention_inputs),
            "lstm": lambda: (recurrence.lstm(lstm_gates, lstm_weight),)}
    result = {}
    for name, run in runs.items():
        with torch.no_grad():
            forward = 1e6 * median_seconds(run, device, times, WARMUP) / T
        both = 1e6 * median_seconds(functools.partial(_forward_and_backward, run), device, times, WARMUP) / T
        result[f"{name}_forward_us_per_frame"] = round(forward, 2)
        result[f"{name}_backward_us_per_frame"] = round(both - forward, 2)
    return result


def _forward_and_backward(run: Callable[[], tuple[Tensor, ...]]) -> None:
    torch.autograd.backward([output.sum() for output in run()])


def main() -> None:
    """Measures, prints the figures as JSON, and writes them to a file if asked to."""
    arguments = get_arguments()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    config, sizes, times = Tacotron2Config(), (arguments.batch, arguments.frames, arguments.symbols), arguments.steps
    if arguments.tiny:
        config, sizes, times = TINY, (4, 24, 12), 2
    torch.backends.cuda.matmul.allow_tf32 = True
    batch = make_batch(*sizes, device)
    figures = {**describe_machine(device), "batch": sizes[0], "frames": sizes[1], "symbols": sizes[2],
               "real_frames": batch[3].sum().item()}
    recurrences = {"fused": (best_recurrence(device, config), times), "plain": (PLAIN, min(times, 3))}
    for name, (recurrence, count) in recurrences.items():
        if name == "plain" or recurrence is not PLAIN:
            figures[name] = {**measure_step(config, batch, recurrence, count),
                             **measure_recurrences(config, batch, recurrence, count)}
    text = json.dumps(figures, indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
