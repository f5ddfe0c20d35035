"""Rows of a distilled dataset for tests, and a check that a folder holds them."""
from pathlib import Path

import torch

from distillation.dataset import DistilledDataset, finished_rows, read_records
from distillation.manifest import Manifest
from distillation.shards import DistilledRow
from distillation.writer import DistilledWriter
from hparams import AudioConfig, TextConfig
from text import symbols

MANIFEST = Manifest(AudioConfig(), TextConfig(), symbols, teacher="teacher.pt 12ab", samples=2, seed=3)


def row(number: int, sample: int = 0, **changes: object) -> DistilledRow:
    """A row of its own for each number: 2 to 5 symbols of 0 to 3 frames, and at least one."""
    generator = torch.Generator().manual_seed(number * 10 + sample)
    n = 2 + number % 4
    durations = torch.randint(0, 4, (n,), generator=generator)
    durations[0] += 1
    made = DistilledRow(f"text-{number}", sample, 1000 + number, torch.randint(1, 148, (n,), generator=generator),
                        durations, torch.randn(80, int(durations.sum()), generator=generator),
                        torch.randn(n, 8, generator=generator), {"focus": 0.5 + number / 100, "stopped": True})
    return made._replace(**changes)


def done(folder: Path) -> set[tuple[str, int]]:
    return finished_rows(read_records(folder), MANIFEST.limits)


def write(folder: Path, rows: list[DistilledRow], rank: int = 0, rows_per_shard: int = 3) -> DistilledWriter:
    """Adds rows without closing: what is not yet in a shard is lost, as by a kill."""
    writer = DistilledWriter(folder, MANIFEST, rank, rows_per_shard)
    for made in rows:
        writer.add(made)
    return writer


def assert_holds(folder: Path, rows: list[DistilledRow]) -> None:
    data = DistilledDataset.read(folder)
    found = {(name, sample): index for index, (name, sample) in enumerate(zip(data.names, data.samples))}
    assert len(data) == len(found) == len(rows)
    for made in rows:
        index = found[made.name, made.sample]
        assert data.ids.row(index).tolist() == made.ids.tolist()
        assert data.durations.row(index).tolist() == made.durations.tolist()
        assert torch.equal(data.mels.row(index), made.mel.half().t())
        assert torch.equal(data.features.row(index), made.features.half())
