"""Damaged and forged datasets, and malformed rows: refused by writer and reader."""
import dataclasses
import json
import os
import shutil
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import pytest
import torch
from distilled_rows import MANIFEST, assert_holds, done, row, write
from safetensors import safe_open
from safetensors.torch import save_file

from distillation.dataset import DistilledDataset, read_records
from distillation.manifest import read_manifest
from distillation.writer import DistilledWriter
from hparams import TextConfig, UserError


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
