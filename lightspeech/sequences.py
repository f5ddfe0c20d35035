"""Padded batches of sequences: masks, and reversal within each row's length. Nothing here waits for the device."""
import torch
from torch import Tensor


def sequence_mask(lengths: Tensor, max_length: int) -> Tensor:
    """Returns the mask (B, max_length), bool, True inside each row's length; lengths: (B,) int64."""
    return torch.arange(max_length, device=lengths.device) < lengths[:, None]


def reversal_index(lengths: Tensor, max_length: int) -> Tensor:
    """Returns the index (B, max_length), int64, that reverses each row within its length (B,) and keeps its padding.

        length 3 of 5:   a b c . .  --index 2 1 0 3 4-->  c b a . .   (the index is its own inverse)
    """
    position = torch.arange(max_length, device=lengths.device)
    return torch.where(sequence_mask(lengths, max_length), lengths[:, None] - 1 - position, position)


def reorder(rows: Tensor, index: Tensor) -> Tensor:
    """Returns rows[b, index[b, l]] at each (b, l); rows: (B, L, D), index: (B, L) int64."""
    return rows.gather(1, index[..., None].expand(-1, -1, rows.shape[2]))
