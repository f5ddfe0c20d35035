"""Which rows go together in a batch, and which seed each row has."""
import hashlib
from collections.abc import Sequence


def by_length(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Groups the numbers of rows so that rows of like length go together, shortest first.

    Each group, padded to its longest row, has at most `budget` places; a row longer than that goes alone.
    """
    groups: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: (lengths[row], row)):
        if groups and (len(groups[-1]) + 1) * lengths[row] <= budget:
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups


def row_seed(*names: str | int) -> int:
    """A seed in [0, 2^63) that depends on the names alone, so that a row is the same in any batch, run or process."""
    return int.from_bytes(hashlib.sha256(repr(names).encode()).digest()[:8], "little") >> 1
