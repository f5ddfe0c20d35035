"""The distilled dataset: round trip, kill and resume, what is refused on either side, batches."""
import dataclasses
import errno
import json
import multiprocessing
import os
import resource
import shutil
import signal
import time
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from distillation.batches import collate
from distillation.dataset import DistilledDataset, finished_rows, read_records
from distillation.manifest import Manifest, read_manifest
from distillation.shards import DistilledRow
from distillation.writer import DistilledWriter
from hparams import AudioConfig, ReadingLimits, TextConfig, UserError
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


def _spoilt(name: str, index: tuple, value: float) -> torch.Tensor:
    tensor = getattr(row(1), name).clone()
    tensor[index] = value
    return tensor


@pytest.mark.parametrize("changes, match", [
    ({"durations": row(1).durations + 1}, "durations that do not sum to its mel frames"),
    ({"durations": row(1).durations[:-1]}, r"durations is torch.int32 \(2,\), expected torch.int32 \(3,\)"),
    ({"durations": torch.tensor([-1, 1, row(1).mel.shape[1]])}, "negative durations"),
    ({"durations": row(1).durations + 0.25}, "durations holds a number that is no torch.int32"),
    ({"ids": row(1).ids[:-1]}, "found durations|durations is"),
    ({"ids": torch.tensor([1, 2, 300])}, "ids holds a number that is no torch.uint8"),
    ({"ids": torch.tensor([1, 2, 148])}, "ids of 148 or above"),
    ({"ids": torch.tensor([], dtype=torch.int64)}, "found no symbol"),
    ({"mel": torch.zeros(80, 0)}, "found no frame"),
    ({"mel": row(1).mel[:40]}, r"mel is .* \(\d+, 40\), expected .* \(\d+, 80\)"),
    ({"mel": _spoilt("mel", (7, 0), float("nan"))}, "a mel that is not finite"),
    ({"mel": _spoilt("mel", (7, 0), 1e6)}, "a mel that is not finite"),  # beyond half precision
    ({"features": _spoilt("features", (0, 0), float("inf"))}, "encoder features that are not finite"),
    ({"features": None}, "encoder features are missing")])
def test_malformed_rows_are_refused_by_the_writer(tmp_path, changes, match) -> None:
    with DistilledWriter(tmp_path, MANIFEST) as writer:
        with pytest.raises(UserError, match=f"row text-1/0: .*({match})"):
            writer.add(row(1, **changes))
        writer.add(row(2))
    assert_holds(tmp_path, [row(2)])


def _rewrite(path: Path, change_tensors=lambda tensors: tensors, change_about=lambda about: about,
             checksums: bool = False) -> None:
    """Writes a shard anew, changed, with or without the old checksums."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    about = change_about(metadata["lightspeech_distilled"])
    kept = {"checksums": metadata["checksums"]} if checksums else {}
    save_file(change_tensors(tensors), path, metadata={"lightspeech_distilled": about, **kept})


def _tamper(path: Path, name: str, change, checksums: bool = False) -> None:
    _rewrite(path, lambda tensors: {**tensors, name: change(tensors[name])}, checksums=checksums)


def _set_last(value: float):
    def change(tensor: torch.Tensor) -> torch.Tensor:
        tensor = tensor.clone()
        tensor.view(-1)[-1] = value
        return tensor
    return change


@pytest.mark.parametrize("name, change, match", [
    ("durations", _set_last(99), "row text-2: found durations that do not sum"),
    ("durations", _set_last(-1), "row text-2: found negative durations"),
    ("durations", lambda tensor: tensor.long(), "durations is torch.int64"),
    ("ids", _set_last(200), "row text-2: found ids of 148 or above"),
    ("mel", _set_last(float("nan")), "row text-2: found a mel that is not finite"),
    ("features", _set_last(float("nan")), "row text-2: found encoder features"),
    ("id_lengths", _set_last(0), "row text-2: found no symbol"),
    ("mel_lengths", _set_last(1000), "mel is .* expected")])
def test_malformed_rows_are_refused_by_the_reader(tmp_path, name, change, match) -> None:
    write(tmp_path, [row(1), row(2)]).close()
    _tamper(tmp_path / "shard-000-00000.safetensors", name, change)
    with pytest.raises(UserError, match=f"shard-000-00000.safetensors: .*{match}.* run preprocess.py again"):
        DistilledDataset.read(tmp_path)


@pytest.mark.parametrize("name, value", [("mel", -3.5), ("ids", 7), ("features", 0.25)])
def test_damage_that_leaves_a_row_well_formed_is_found_by_the_checksum(tmp_path, name, value) -> None:
    write(tmp_path, [row(1)]).close()
    _tamper(tmp_path / "shard-000-00000.safetensors", name, _set_last(value), checksums=True)
    with pytest.raises(UserError, match=f"the checksum of {name} differs.*delete it and run preprocess.py again"):
        DistilledDataset.read(tmp_path)


def test_damaged_records_are_found_by_the_checksum(tmp_path) -> None:
    write(tmp_path, [row(1)]).close()
    _rewrite(tmp_path / "shard-000-00000.safetensors", change_about=lambda about: about.replace("text-1", "tezt-1"),
             checksums=True)
    for read in (DistilledDataset.read, read_records):
        with pytest.raises(UserError, match="the checksum of the records differs"):
            read(tmp_path)


def test_shards_of_earlier_versions_load_and_say_so(tmp_path, capsys) -> None:
    """They have neither checksums nor limits, and their manifest neither limits nor the kind of durations."""
    rows = [row(number) for number in range(4)]
    write(tmp_path, rows, rows_per_shard=2).close()
    for path in tmp_path.glob("shard*"):
        _rewrite(path, change_about=lambda about: json.dumps({name: value for name, value in json.loads(about).items()
                                                              if name != "limits"}))
    about = json.loads((tmp_path / "manifest.json").read_text())
    del about["limits"], about["durations"]
    (tmp_path / "manifest.json").write_text(json.dumps(about))
    assert_holds(tmp_path, rows)
    assert "2 shards of an earlier version have no checksum" in capsys.readouterr().err
    with pytest.raises(UserError, match="made by an earlier version.*for more rows give another folder"):
        DistilledWriter(tmp_path, MANIFEST)


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


@pytest.mark.parametrize("field, value", [
    ("name", 5), ("name", "\ud800"), ("name", []), ("sample", "0"), ("frames", None), ("quality", []), ("reason", 0)])
def test_records_of_other_types_are_refused(tmp_path, field, value) -> None:
    write(tmp_path, [row(1)]).close()

    def change(text: str) -> str:
        about = json.loads(text)
        about["records"][0][["name", "sample", "seed", "symbols", "frames", "quality", "reason"].index(field)] = value
        return json.dumps(about)
    _rewrite(tmp_path / "shard-000-00000.safetensors", change_about=change)
    for read in (DistilledDataset.read, read_records):
        with pytest.raises(UserError, match="shard-000-00000.safetensors: not a complete shard") as error:
            read(tmp_path)
        str(error.value).encode()  # can be printed


@pytest.fixture(scope="module")
def small_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    write(folder, [row(1), row(2)]).close()
    return folder


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(name=st.sampled_from(["shard-000-00000.safetensors", "manifest.json"]), where=st.floats(0, 1),
                  values=st.binary(min_size=1, max_size=8))
def test_a_damaged_file_is_refused_or_read_the_same(small_folder, name, where, values) -> None:
    path = small_folder / name
    whole = path.read_bytes()
    start = int(where * (len(whole) - len(values)))
    try:
        path.write_bytes(whole[:start] + values + whole[start + len(values):])
        try:
            read_records(small_folder)
            assert_holds(small_folder, [row(1), row(2)])
        except UserError as error:
            str(error).encode()
    finally:
        path.write_bytes(whole)


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(name=st.sampled_from(["audio", "text", "symbols", "teacher", "samples", "limits", "durations",
                                        "format", "fingerprint", "features", "seed"]),
                  value=st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
                                     lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner)))
def test_a_forged_manifest_is_refused_or_read(small_folder, name, value) -> None:
    path = small_folder / "manifest.json"
    whole = path.read_text()
    try:
        path.write_text(json.dumps({**json.loads(whole), name: value}))
        try:
            read_manifest(small_folder)
        except UserError as error:
            assert "\n" not in str(error) and len(str(error)) < 600
    finally:
        path.write_text(whole)


def test_nested_json_is_refused(tmp_path) -> None:
    write(tmp_path, [row(1)]).close()
    _rewrite(tmp_path / "shard-000-00000.safetensors", change_about=lambda about: "[" * 100_000)
    with pytest.raises(UserError, match="not a complete shard"):
        read_records(tmp_path)
    (tmp_path / "manifest.json").write_text("[" * 100_000)
    with pytest.raises(UserError, match="not the manifest"):
        read_manifest(tmp_path)


def test_shards_have_the_permissions_of_other_files(tmp_path) -> None:
    write(tmp_path, [row(1)]).close()
    (tmp_path / "other").touch()
    assert {path.stat().st_mode for path in tmp_path.iterdir()} == {(tmp_path / "other").stat().st_mode}


@pytest.mark.parametrize("name, read", [("shard-000-00000.safetensors", read_records), ("manifest.json", read_manifest),
                                        ("manifest.json", lambda folder: DistilledWriter(folder, MANIFEST))])
def test_a_folder_in_place_of_a_file_is_no_reason_to_delete(tmp_path, name, read) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(UserError, match=f"{name}: a folder, expected a file") as error:
        read(tmp_path)
    assert "delete" not in str(error.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_shard_without_permission_is_no_reason_to_delete(tmp_path) -> None:
    write(tmp_path, [row(1)]).close()
    (tmp_path / "shard-000-00000.safetensors").chmod(0)
    with pytest.raises(UserError, match="cannot be read .Permission denied") as error:
        read_records(tmp_path)
    assert "delete" not in str(error.value)


def test_damaged_and_foreign_shards(tmp_path) -> None:
    write(tmp_path, [row(1), row(2)]).close()
    shard = tmp_path / "shard-000-00000.safetensors"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-50])
    for read in (DistilledDataset.read, read_records):
        with pytest.raises(UserError, match="shard-000-00000.safetensors: not a complete shard"):
            read(tmp_path)
    DistilledWriter(tmp_path / "other", dataclasses.replace(MANIFEST, text=TextConfig("basic_cleaners"))).close()
    shard.write_bytes(whole)
    shutil.copy(shard, tmp_path / "other")
    with pytest.raises(UserError, match="other/shard-000-00000.safetensors: fingerprint .* of the manifest beside it"):
        DistilledDataset.read(tmp_path / "other")
    save_file({"x": torch.zeros(1)}, shard)
    with pytest.raises(UserError, match="not a complete shard"):
        done(tmp_path)
    shard.write_bytes(whole)


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
