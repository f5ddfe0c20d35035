"""Losses of teacher-forced Tacotron 2, without padding.

Axes: B batch, N text symbols, T mel frames, M mel bands.
"""
import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor

from tacotron2.model import Tacotron2Output

GATE_FRAMES = 5  # last frames of a row with the target "stop": one frame in hundreds would be a faint signal
GATE_POSITIVE_WEIGHT = 6.0  # weight of a frame with the target "stop"; others have 1
GUIDE_WIDTH = 0.2  # g of Tachibana et al. 2017


@dataclasses.dataclass(frozen=True)
class LossWeights:
    """Weight of each loss in the total."""
    mel: float = 1.0
    mel_postnet: float = 1.0
    gate: float = 1.0
    attention: float = 1.0  # guided attention; lower it once the attention is diagonal


def losses(output: Tacotron2Output, mel: Tensor) -> dict[str, Tensor]:
    """Returns the losses of an output against its target mel (B, M, T): float32 scalars by name, unweighted.

    mel, mel_postnet: mean squared error before and after the postnet. gate: see gate_loss. attention: see
    guided_attention. All are means over the real frames of the batch, so long rows count more.
    """
    mask = output.mel_mask
    frames = mask.sum()
    squares = {name: (getattr(output, name) - mel).square().mean(1) for name in ("mel", "mel_postnet")}  # (B, T)
    means = {name: square.masked_fill(~mask, 0).sum() / frames for name, square in squares.items()}
    return {**means, "gate": gate_loss(output.gate_logits, mask),
            "attention": guided_attention(output.alignments, output.id_mask, mask)}


def total(parts: dict[str, Tensor], weights: LossWeights = LossWeights()) -> Tensor:
    """Returns the weighted sum of the losses by name."""
    return sum(weight * parts[name] for name, weight in dataclasses.asdict(weights).items())


def gate_loss(gate_logits: Tensor, mel_mask: Tensor) -> Tensor:
    """Returns the mean binary cross entropy of gate_logits (B, T) over the real frames, mel_mask (B, T).

    The target is 1 on the last GATE_FRAMES real frames, 0 before.
    """
    index = torch.arange(mel_mask.shape[1], device=mel_mask.device)[None]
    target = (index >= mel_mask.sum(1, keepdim=True) - GATE_FRAMES).float()
    weight = torch.full((), GATE_POSITIVE_WEIGHT, device=mel_mask.device)
    loss = F.binary_cross_entropy_with_logits(gate_logits, target, pos_weight=weight, reduction="none")
    return loss.masked_fill(~mel_mask, 0).sum() / mel_mask.sum()


def guided_attention(alignments: Tensor, id_mask: Tensor, mel_mask: Tensor) -> Tensor:
    """Returns the guided-attention loss (Tachibana et al. 2017, arXiv 1710.08969): a mean distance from the diagonal.

    alignments (B, T, N), id_mask (B, N), mel_mask (B, T). Weight on symbol n of N at frame t of T costs
    1 - exp(-(n/N - t/T)^2 / (2 g^2)). The cost of a frame lies in [0, 1]; the mean is over all real frames.
    """
    n = torch.arange(id_mask.shape[1], device=id_mask.device)[None] / id_mask.sum(1, keepdim=True)  # (B, N)
    t = torch.arange(mel_mask.shape[1], device=mel_mask.device)[None] / mel_mask.sum(1, keepdim=True)  # (B, T)
    cost = 1 - torch.exp(-(n[:, None] - t[:, :, None]).square() / (2 * GUIDE_WIDTH**2))  # (B, T, N)
    return (alignments * cost).sum(2).masked_fill(~mel_mask, 0).sum() / mel_mask.sum()
