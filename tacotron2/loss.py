"""Losses of teacher-forced Tacotron 2; padding never counts.

Axes: B batch, N text symbols, T mel frames, M mel bands.
"""
import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor

from tacotron2.model import Tacotron2Output

GATE_FRAMES = 5  # last frames of a row on which stopping is right: one alone in hundreds is a faint signal
GATE_POSITIVE_WEIGHT = 6.0  # what a frame of stopping counts against a frame of going on
GUIDE_WIDTH = 0.2  # g of Tachibana et al. 2017


@dataclasses.dataclass(frozen=True)
class LossWeights:
    """What each loss counts in the total."""
    mel: float = 1.0
    mel_postnet: float = 1.0
    gate: float = 1.0
    attention: float = 1.0  # guided attention; to be lowered once the diagonal stands


def losses(output: Tacotron2Output, mel: Tensor) -> dict[str, Tensor]:
    """Compares a reading with its target mel (B, M, T); returns float32 scalars, unweighted, by name.

    mel, mel_postnet: mean squared error over all real frames of the batch, before and after the postnet. gate: binary
    cross entropy of stopping, mean over all real frames. attention: see guided_attention. A row counts by its frames.
    """
    mask = output.mel_mask
    frames = mask.sum()
    squares = {name: (getattr(output, name) - mel).square().mean(1) for name in ("mel", "mel_postnet")}  # (B, T)
    means = {name: square.masked_fill(~mask, 0).sum() / frames for name, square in squares.items()}
    return {**means, "gate": gate_loss(output.gate_logits, mask),
            "attention": guided_attention(output.alignments, output.id_mask, mask)}


def total(parts: dict[str, Tensor], weights: LossWeights = LossWeights()) -> Tensor:
    """The weighted sum of what `losses` returns."""
    return sum(weight * parts[name] for name, weight in dataclasses.asdict(weights).items())


def gate_loss(gate_logits: Tensor, mel_mask: Tensor) -> Tensor:
    """Binary cross entropy of gate_logits (B, T): 1 on the last GATE_FRAMES real frames (mel_mask (B, T)), 0 before."""
    places = torch.arange(mel_mask.shape[1], device=mel_mask.device)[None]
    target = (places >= mel_mask.sum(1, keepdim=True) - GATE_FRAMES).float()
    weight = torch.full((), GATE_POSITIVE_WEIGHT, device=mel_mask.device)
    loss = F.binary_cross_entropy_with_logits(gate_logits, target, pos_weight=weight, reduction="none")
    return loss.masked_fill(~mel_mask, 0).sum() / mel_mask.sum()


def guided_attention(alignments: Tensor, id_mask: Tensor, mel_mask: Tensor) -> Tensor:
    """Guided attention (Tachibana et al. 2017, arXiv 1710.08969): attention's mean distance from the diagonal.

    alignments (B, T, N), id_mask (B, N), mel_mask (B, T). Weight on symbol n of N at frame t of T costs
    1 - exp(-(n/N - t/T)^2 / (2 g^2)); the cost of a frame lies in [0, 1], and the mean is over all real frames.
    """
    n = torch.arange(id_mask.shape[1], device=id_mask.device)[None] / id_mask.sum(1, keepdim=True)  # (B, N)
    t = torch.arange(mel_mask.shape[1], device=mel_mask.device)[None] / mel_mask.sum(1, keepdim=True)  # (B, T)
    cost = 1 - torch.exp(-(n[:, None] - t[:, :, None]).square() / (2 * GUIDE_WIDTH**2))  # (B, T, N)
    return (alignments * cost).sum(2).masked_fill(~mel_mask, 0).sum() / mel_mask.sum()
