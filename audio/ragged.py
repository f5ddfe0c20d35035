"""Rows of different length in one tensor: how a whole corpus lives in memory, on the host or on a GPU."""
from collections.abc import Sequence

import torch
from torch import Tensor


class Ragged:
    """Rows end to end in `flat` (sum of lengths, ...), of any dtype; `lengths` (R,) int64 stays on the CPU.

    Rows are read by one indexed read on flat's device, so a batch costs no copy from the host.
    """

    def __init__(self, flat: Tensor, lengths: Tensor) -> None:
        assert lengths.dtype == torch.int64 and lengths.device.type == "cpu" and int(lengths.sum()) == len(flat)
        self.flat = flat
        self.lengths = lengths
        self.starts = torch.cumsum(lengths, 0) - lengths  # (R,) int64 on the CPU: where each row begins in flat
        self._bounds = torch.stack([self.starts, self.starts + lengths]).to(flat.device)

    @classmethod
    def from_rows(cls, rows: Sequence[Tensor]) -> "Ragged":
        """rows: tensors (length, ...), at least one, alike but for their length."""
        return cls(torch.cat(list(rows)), torch.tensor([len(row) for row in rows], dtype=torch.int64))

    def to(self, device: torch.device | str) -> "Ragged":
        """The same rows with `flat` on the device."""
        return Ragged(self.flat.to(device), self.lengths)

    def __len__(self) -> int:
        return len(self.lengths)

    def row(self, index: int) -> Tensor:
        """(length, ...), a view."""
        start = int(self.starts[index])
        return self.flat[start:start + int(self.lengths[index])]

    def gather(self, rows: Tensor, length: int) -> Tensor:
        """rows (B,) int64 -> (B, length, ...) on flat's device: each row's beginning, zero after its end."""
        start, stop = self._bounds[:, rows.to(self.flat.device, non_blocking=True)][..., None]
        index = start + torch.arange(length, device=self.flat.device)
        inside = index < stop
        values = self.flat[torch.where(inside, index, 0)]
        return torch.where(inside.reshape(inside.shape + (1,) * (values.dim() - 2)), values, 0)
