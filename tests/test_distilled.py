"""The distilled dataset: round trip, kill and resume, rejected rows, what never mixes, batches."""

import dataclasses
import errno
import json
import multiprocessing
import os
import resource
import signal
import time
from pathlib import Path

import pytest
import torch
from distilled_rows import MANIFEST, assert_holds, done, row, write

from distillation.batches import collate
from distillation.dataset import DistilledDataset, finished_rows, read_records
from distillation.manifest import read_manifest
from distillation.writer import DistilledWriter
from hparams import AudioConfig, ReadingLimits, TextConfig, UserError
from text import symbols


def test_round_trip(tmp_path) -> None:
    rows = [row(number, sample) for number in range(5) for sample in range(2)]
    with DistilledWriter(tmp_path / "new" / "data", MANIFEST, rows_per_shard=4) as writer:
        for made in rows:
            writer.add(made)
    folder = tmp_path / "new" / "data"
    assert_holds(folder, rows)
    assert sorted(path.name for path in folder.iterdir()) == [
        "manifest.json", *(f"shard-000-{index:05d}.safetensors" for index in range(3))]
    data = DistilledDataset.read(folder)
    assert (data.ids.flat.dtype, data.durations.flat.dtype, data.mels.flat.dtype, data.features.flat.dtype) == (
        torch.uint8, torch.int32, torch.float16, torch.float16)
    assert data.manifest == read_manifest(folder) == MANIFEST


def test_records_tell_all_without_tensors(tmp_path) -> None:
    with DistilledWriter(tmp_path, MANIFEST) as writer:
        writer.add(row(1)._replace(quality={"focus": torch.tensor(0.25)}))
        writer.reject("text-2", 1, "skipped 3 symbols", {"focus": 0.1})
    kept, rejected = read_records(tmp_path).rows.values()
    assert kept == ("text-1", 0, 1001, 3, row(1).mel.shape[1], {"focus": 0.25}, "")
    assert rejected == ("text-2", 1, None, 0, 0, {"focus": 0.1}, "skipped 3 symbols")
    assert done(tmp_path) == {("text-1", 0), ("text-2", 1)}
    assert DistilledDataset.read(tmp_path).names == ["text-1"]


def test_features_may_be_left_on_disk_or_out(tmp_path) -> None:
    write(tmp_path / "with", [row(1)]).close()
    assert DistilledDataset.read(tmp_path / "with", with_features=False).features is None
    without = dataclasses.replace(MANIFEST, features=False)
    with DistilledWriter(tmp_path / "without", without) as writer:
        writer.add(row(1, features=None))
        with pytest.raises(UserError, match="encoder features are given"):
            writer.add(row(2))
    assert DistilledDataset.read(tmp_path / "without").features is None


def test_resume_after_a_kill_with_another_number_of_processes(tmp_path) -> None:
    rows = [row(number) for number in range(17)]
    assert done(tmp_path / "none") == set()
    for rank in range(3):
        write(tmp_path, rows[rank::3], rank)  # 6, 6 and 5 rows in shards of 3: the last two are lost
    (tmp_path / "shard-002-00001.safetensors.tmp").write_bytes(b"half a shard")
    finished = done(tmp_path)
    assert len(finished) == 15
    for rank in range(2):
        mine = [made for made in rows[rank::2] if (made.name, made.sample) not in finished]
        write(tmp_path, mine, rank).close()
    assert_holds(tmp_path, rows)


def _write_until_killed(folder: Path) -> None:
    writer = DistilledWriter(folder, MANIFEST, rows_per_shard=2)
    number = 0
    while True:
        writer.add(row(number))
        number += 1


def test_killed_process_leaves_whole_shards(tmp_path) -> None:
    process = multiprocessing.get_context("fork").Process(target=_write_until_killed, args=(tmp_path,))
    process.start()
    deadline = time.monotonic() + 30
    while len(done(tmp_path)) < 6 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    before = done(tmp_path)
    assert len(before) >= 6
    rows = [row(number) for number in range(len(before) + 3)]
    write(tmp_path, [made for made in rows if (made.name, made.sample) not in before]).close()
    assert_holds(tmp_path, rows)


def test_a_full_disk_is_reported_and_leaves_nothing(tmp_path) -> None:
    write(tmp_path, [row(1)]).close()
    before = sorted(tmp_path.iterdir())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(UserError, match="shard-000-00001.safetensors: could not be written .*; make room"):
            write(tmp_path, [row(2)]).close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(tmp_path.iterdir()) == before


def test_a_shard_that_cannot_get_its_name_leaves_nothing(tmp_path, monkeypatch) -> None:
    writer = write(tmp_path, [row(1)])
    monkeypatch.setattr(os, "replace", _fail)
    with pytest.raises(UserError, match="No space left"):
        writer.close()
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def _fail(*paths: Path) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_doubled_rows_of_earlier_versions_are_read_once(tmp_path, capsys) -> None:
    rows = [row(number) for number in range(5)]
    write(tmp_path, rows[:4]).close()
    write(tmp_path, rows[2:], rank=1).close()
    assert_holds(tmp_path, rows)
    assert "2 rows are there twice" in capsys.readouterr().err
    assert read_records(tmp_path).doubled == [("text-2", 0), ("text-3", 0)]


def test_rejected_rows_are_tried_again_only_under_looser_limits(tmp_path) -> None:
    limits = MANIFEST.limits
    with DistilledWriter(tmp_path, MANIFEST) as writer:
        writer.add(row(1))
        writer.reject("text-2", 0, "blurred", {"focus": 0.3})
    assert done(tmp_path) == {("text-1", 0), ("text-2", 0)}
    looser = dataclasses.replace(limits, min_focus=0.2, max_jump=8)
    more = dataclasses.replace(limits, retries=5)
    for changed in (looser, more):
        assert finished_rows(read_records(tmp_path), changed) == {("text-1", 0)}
    with DistilledWriter(tmp_path, dataclasses.replace(MANIFEST, limits=looser)) as writer:
        writer.add(row(2))
    assert read_manifest(tmp_path).limits == looser
    assert_holds(tmp_path, [row(1), row(2)])
    found = read_records(tmp_path)
    assert finished_rows(found, looser) == {("text-1", 0), ("text-2", 0)} and not found.doubled
    assert [record.reason for record in found.rows.values()] == ["", ""]
    with pytest.raises(UserError, match="made with min_focus 0.2, found the stricter 0.4; give another folder"):
        DistilledWriter(tmp_path, MANIFEST)


def test_shards_have_the_permissions_of_other_files(tmp_path) -> None:
    write(tmp_path, [row(1)]).close()
    (tmp_path / "other").touch()
    assert {path.stat().st_mode for path in tmp_path.iterdir()} == {(tmp_path / "other").stat().st_mode}


@pytest.mark.parametrize("changes, match", [
    ({"audio": dataclasses.replace(AudioConfig(), f_max=11025.0)}, "mel definition f_max 8000.0, expected 11025.0"),
    ({"symbols": symbols[:-1]}, r"another symbol table \(148 symbols\), expected the 147"),
    ({"text": TextConfig("english_cleaners", False)}, "made with text TextConfig.*english_reader"),
    ({"teacher": "other.pt"}, "made with teacher teacher.pt 12ab, expected other.pt"),
    ({"seed": 4}, "made with seed 3, expected 4"), ({"samples": 1}, "made with samples 2, expected 1"),
    ({"features": False}, "made with features True, expected False"),
    ({"durations": "argmax"}, "made with durations monotonic, expected argmax"),
    *(({"limits": dataclasses.replace(ReadingLimits(), **{name: value})}, f"made with {name} .*, found the stricter")
      for name, value in (("retries", 0), ("max_steps", 900), ("min_focus", 0.5), ("min_coverage", 0.8),
                          ("max_jump", 5), ("max_stay", 70)))])
def test_rows_of_two_manifests_never_meet(tmp_path, changes, match) -> None:
    write(tmp_path, [row(1)]).close()
    with pytest.raises(UserError, match=match):
        DistilledWriter(tmp_path, dataclasses.replace(MANIFEST, **changes))


def test_the_reader_wants_todays_definitions(tmp_path) -> None:
    other = dataclasses.replace(MANIFEST, audio=dataclasses.replace(AudioConfig(), hop_length=200))
    DistilledWriter(tmp_path / "a", other).close()
    with pytest.raises(UserError, match="mel definition hop_length 200, expected 256"):
        DistilledDataset.read(tmp_path / "a")
    DistilledWriter(tmp_path / "b", dataclasses.replace(MANIFEST, symbols=symbols[::-1])).close()
    with pytest.raises(UserError, match="another symbol table"):
        DistilledDataset.read(tmp_path / "b")


def test_full_disk_leaves_no_manifest(tmp_path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, limits[1]))  # a write past 64 bytes fails, as on a full disk
    try:
        with pytest.raises(UserError, match="manifest.json: could not be written"):
            DistilledWriter(tmp_path, MANIFEST)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


def test_what_is_no_dataset(tmp_path) -> None:
    with pytest.raises(UserError, match="manifest.json: no such file; a distilled dataset has this file"):
        DistilledDataset.read(tmp_path)
    DistilledWriter(tmp_path, MANIFEST).close()
    with pytest.raises(UserError, match="no row was kept"):
        DistilledDataset.read(tmp_path)
    path = tmp_path / "manifest.json"
    about = json.loads(path.read_text())
    for broken, match in (("", "not the manifest"), ("[]", "not the manifest"),
                          (json.dumps({**about, "format": 9}), "format 9, expected 1"),
                          (json.dumps({name: about[name] for name in about if name != "fingerprint"}), "not the man"),
                          (json.dumps({**about, "symbols": [1]}), "not the manifest"),
                          (json.dumps({**about, "limits": {"retries": -1}}), "limits: retries: found -1"),
                          (json.dumps({**about, "fingerprint": "0"}), "fingerprint 0, expected"),
                          (json.dumps({**about, "text": {"cleaners": "x"}}), "fingerprint .* changed by hand")):
        path.write_text(broken)
        with pytest.raises(UserError, match=match):
            DistilledDataset.read(tmp_path)


def test_batches_are_padded_rows(tmp_path) -> None:
    made = [row(number, 1) for number in range(6)]
    write(tmp_path, made).close()
    data = DistilledDataset.read(tmp_path)
    batch = collate(data, [4, 1], symbols=6, frames=20)
    assert batch.names == ["text-4/1", "text-1/1"]
    assert batch.ids.shape == batch.durations.shape == (2, 6) and batch.mel.shape == (2, 80, 20)
    assert batch.features.shape == (2, 6, 8)
    assert (batch.ids.dtype, batch.durations.dtype, batch.mel.dtype) == (torch.int64, torch.int64, torch.float32)
    for place, expected in enumerate((made[4], made[1])):
        n, t = len(expected.ids), expected.mel.shape[1]
        assert (batch.id_lengths[place], batch.mel_lengths[place]) == (n, t)
        assert batch.ids[place].tolist() == expected.ids.tolist() + [0] * (6 - n)
        assert batch.durations[place].tolist() == expected.durations.tolist() + [0] * (6 - n)
        assert torch.equal(batch.mel[place, :, :t], expected.mel.half().float())
        assert torch.equal(batch.features[place, :n], expected.features.half().float())
        assert batch.mel[place, :, t:].abs().sum() == batch.features[place, n:].abs().sum() == 0
    with pytest.raises(AssertionError, match="longer than its bucket"):
        collate(data, [0, 1], symbols=6, frames=1)
