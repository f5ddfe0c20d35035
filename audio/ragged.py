"""Rows of different lengths in one tensor, such as a whole corpus in the memory of the host or of a GPU."""
from collections.abc import Sequence

import torch
from torch import Tensor


class Ragged:
    """R rows concatenated in `flat` (sum of lengths, ...) of any dtype; their `lengths` (R,) int64 are on the CPU.

    A batch is gathered on the device of `flat` by one indexing operation, without a copy from the host.
    """

    def __init__(self, flat: Tensor, lengths: Tensor) -> None:
        assert lengths.dtype == torch.int64 and lengths.device.type == "cpu" and int(lengths.sum()) == len(flat)
        self.flat = flat
        self.lengths = lengths
        self.starts = torch.cumsum(lengths, 0) - lengths  # (R,) int64 on the CPU: where each row begins in flat
        self._bounds = torch.stack([self.starts, self.starts + lengths]).to(flat.device)

    @classmethod
    def from_rows(cls, rows: Sequence[Tensor]) -> "Ragged":
        """Concatenates rows: at least one tensor (length, ...), which differ in nothing but their length."""
        return cls(torch.cat(list(rows)), torch.tensor([len(row) for row in rows], dtype=torch.int64))

    def to(self, device: torch.device | str) -> "Ragged":
        """Returns the same rows with `flat` on the device."""
        return Ragged(self.flat.to(device), self.lengths)

    def __len__(self) -> int:
        return len(self.lengths)

    def row(self, index: int) -> Tensor:
        """Returns one row (length, ...), a view of `flat`."""
        start = int(self.starts[index])
        return self.flat[start:start + int(self.lengths[index])]

    def gather(self, rows: Tensor, length: int) -> Tensor:
        """rows (B,) int64 -> (B, length, ...) on the device of `flat`: rows cut at `length` or padded with zeros."""
        start, stop = self._bounds[:, rows.to(self.flat.device, non_blocking=True)][..., None]
        index = start + torch.arange(length, device=self.flat.device)
        inside = index < stop
        values = self.flat[torch.where(inside, index, 0)]
        return torch.where(inside.reshape(inside.shape + (1,) * (values.dim() - 2)), values, 0)
