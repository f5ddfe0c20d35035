"""Weights files and checkpoints that are damaged, forged or of older versions."""
import dataclasses
import json
import time
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save, save_file
from torch import nn

import lightspeech
import tacotron2
import waveglow
from hparams import CONFIGS, AudioConfig, LightSpeechConfig, TextConfig, UserError, WaveGlowConfig
from runtime.networks import build_network
from runtime.settings import from_dict
from runtime.torch_files import read_torch_file
from runtime.weights import identity, load_weights, notify_unchecked, save_weights, weights_notes

PACKAGES = {"lightspeech": (lightspeech, lightspeech.LightSpeech, TextConfig()),
            "tacotron2": (tacotron2, tacotron2.Tacotron2, TextConfig()),
            "waveglow": (waveglow, waveglow.WaveGlow, None)}


@pytest.fixture(scope="module")
def released(tmp_path_factory) -> dict[str, Path]:
    """A released file of each tiny model."""
    paths = {}
    for name, (package, network, text) in PACKAGES.items():
        paths[name] = tmp_path_factory.mktemp(name) / f"{name}.safetensors"
        package.save(paths[name], network(CONFIGS[name]["tiny"][0]), *([text, {}] if text else []))
    return paths


def rewrite(path: Path, target: Path, change=lambda about: about, tensors=None) -> Path:
    """Writes a copy of a released file whose settings went through `change`; a text is written as it is."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    about = change(json.loads(json.loads(data[8:8 + length])["__metadata__"]["lightspeech"]))
    text = about if isinstance(about, str) else json.dumps(about)
    target.write_bytes(save(load_file(path) if tensors is None else tensors, metadata={"lightspeech": text}))
    return target


def without_checksum(about: dict) -> dict:
    return {name: value for name, value in about.items() if name != "checksum"}


def refusal(model: str, path: Path) -> str:
    with pytest.raises(UserError) as error:
        PACKAGES[model][0].load(path)
    assert "\n" not in str(error.value) and str(path) in str(error.value) and len(str(error.value)) < 900
    return str(error.value)


@pytest.mark.parametrize("model", PACKAGES)
def test_damage_to_a_released_file_is_noticed(released, model, tmp_path):
    data = bytearray(released[model].read_bytes())
    header = 8 + int.from_bytes(data[:8], "little")
    place = len(data) - (len(data) - header) // 3
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1:])
    assert "damaged (its checksum" in refusal(model, path)
    rewrite(released[model], path, lambda about: {**about, "notes": {"steps": 7}})
    assert "damaged (its checksum" in refusal(model, path)


def test_a_file_without_checksum_is_read_and_reported_only_on_request(released, tmp_path, capsys):
    path = rewrite(released["lightspeech"], tmp_path / "old.safetensors", without_checksum)
    assert lightspeech.load(path) and not capsys.readouterr().err
    notify_unchecked(path)
    notify_unchecked(released["lightspeech"])
    assert capsys.readouterr().err.count("no checksum inside") == 1


def test_a_checksum_holds_through_writing_and_reading(tmp_path):
    notes = {"a": float("nan"), "b": (1, 2), 3: "é", "c": {"z": 1e-300, "a": None}}
    tensors = {"half": torch.ones(40, 40), "small": torch.ones(2), "count": torch.tensor(3), "none": torch.ones(0, 5)}
    save_weights(tmp_path / "w.safetensors", "waveglow", tensors, WaveGlowConfig(), AudioConfig(), notes=notes)
    weights = load_weights(tmp_path / "w.safetensors", "waveglow", AudioConfig())
    assert weights.config == WaveGlowConfig() and weights.notes["c"] == notes["c"]
    assert {name: tensor.dtype for name, tensor in weights.tensors.items()} == {
        "half": torch.float32, "small": torch.float32, "count": torch.int64, "none": torch.float32}
    assert identity(tmp_path / "w.safetensors").startswith("w.safetensors ")


HUGE = [("lightspeech", {"encoder_dim": 20000}), ("lightspeech", {"decoder_dim": 3000}),
        ("lightspeech", {"embedding_dim": 10 ** 9}), ("tacotron2", {"encoder_n_convolutions": 4000}),
        ("tacotron2", {"postnet_dim": 10 ** 18}), ("tacotron2", {"decoder_rnn_dim": 4000}),
        ("waveglow", {"n_layers": 10 ** 5}), ("waveglow", {"n_flows": 10 ** 9}),
        ("waveglow", {"n_flows": 4000, "n_early_every": 4000}),
        ("waveglow", {"n_channels": 4000})]


@pytest.mark.parametrize("model, sizes", HUGE, ids=str)
def test_a_network_larger_than_its_file_is_refused_before_it_is_built(released, model, sizes, tmp_path):
    path = rewrite(released[model], tmp_path / "huge.safetensors",
                   lambda about: without_checksum(about) | {"config": about["config"] | sizes})
    start = time.process_time()
    assert "larger than its tensors" in refusal(model, path)
    assert time.process_time() - start < 20  # some are seconds at most; without the check they would not end


def test_layers_are_counted_before_their_memory_is_written():
    built = []

    def build(config: object) -> nn.Module:
        for _ in range(10):
            built.append(nn.Linear(3000, 3000))
        return built[0]
    with pytest.raises(UserError, match="larger than its tensors"):
        build_network(Path("file"), LightSpeechConfig(), build, {"a": torch.zeros(10)})
    assert not built
    assert nn.Linear(3000, 3000).weight.numel() == 9_000_000  # other networks are not counted afterwards


FORGED = [None, [], "", 5, True, 1.5, {}, {"config": None}]


@pytest.mark.parametrize("model", PACKAGES)
@pytest.mark.parametrize("part", ["config", "audio", "text", "symbols", "notes", "model", "format", "checksum"])
def test_forged_settings_are_one_line(released, model, part, tmp_path):
    path = tmp_path / "forged.safetensors"
    for value in FORGED:
        rewrite(released[model], path, lambda about: {**without_checksum(about), part: value})
        try:
            PACKAGES[model][0].load(path)
            weights_notes(path)
        except UserError as error:
            assert "\n" not in str(error)
        else:  # a part that this model does not use
            unused = model == "waveglow" and part in ("text", "symbols")
            allowed = part == "notes" and isinstance(value, dict) or (part, value) in (
                ("checksum", None), ("text", {}), ("format", True))  # the text's defaults; True equals 1
            assert unused or allowed, (part, value)


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000, "null", "{", '{"format": ' + "9" * 5000 + "}"])
def test_settings_that_are_no_json_are_one_line(released, text, tmp_path):
    path = rewrite(released["lightspeech"], tmp_path / "forged.safetensors", lambda about: text)
    refusal("lightspeech", path)


VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
                      lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
                      max_leaves=6)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_forged_setting_is_one_line_or_a_network(released, data, tmp_path_factory):
    model = data.draw(st.sampled_from(sorted(PACKAGES)))
    part = data.draw(st.sampled_from(["config", "audio", "text", "notes"]))

    def change(about: dict) -> dict:
        before = about[part] or {"x": 1}
        name = data.draw(st.sampled_from(sorted(before)))
        return without_checksum(about) | {part: {**before, name: data.draw(VALUES)}}
    path = rewrite(released[model], tmp_path_factory.mktemp("forged") / "forged.safetensors", change)
    try:
        PACKAGES[model][0].load(path)
    except UserError as error:
        assert "\n" not in str(error) and len(str(error)) < 900


@settings(max_examples=60, deadline=None)
@given(values=VALUES | st.dictionaries(st.sampled_from([f.name for f in dataclasses.fields(WaveGlowConfig)]), VALUES))
def test_any_value_is_settings_or_one_line(values):
    try:
        config = from_dict(WaveGlowConfig, values, "file: config")
    except UserError as error:
        assert str(error).startswith("file: config") and "\n" not in str(error) and len(str(error)) < 200
    else:
        assert all(type(getattr(config, f.name)) is f.type for f in dataclasses.fields(config))


def test_a_file_of_other_types_is_one_line(released, tmp_path):
    tensors = load_file(released["lightspeech"])
    name = max(tensors, key=lambda name: tensors[name].numel())
    for kind in (torch.int16, torch.float8_e4m3fn, torch.bool):
        changed = {**tensors, name: tensors[name].to(kind)}
        path = rewrite(released["lightspeech"], tmp_path / "types.safetensors", without_checksum, changed)
        if kind.is_floating_point:
            lightspeech.load(path)
        else:
            assert "of another shape" in refusal("lightspeech", path)
    save_file(tensors, tmp_path / "bare.safetensors")
    assert "found weights format none" in refusal("lightspeech", tmp_path / "bare.safetensors")


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    torch.save({"average": {"weight": torch.randn(64, 64)}, "step": 3}, tmp_path / "best.pt")
    return tmp_path / "best.pt"


def test_damage_inside_a_checkpoint_is_noticed(checkpoint):
    data = bytearray(checkpoint.read_bytes())
    with zipfile.ZipFile(checkpoint) as archive:
        entry = next(entry for entry in archive.infolist() if entry.filename.endswith("data/0"))
    place = entry.header_offset + 4096
    assert read_torch_file(checkpoint, "copy it again")["step"] == 3
    for damage in (bytes(1000), bytes([data[place] ^ 4])):
        checkpoint.write_bytes(data[:place] + damage + data[place + len(damage):])
        with pytest.raises(UserError, match=r"damaged \(the checksum of .*data/0 is wrong\); copy it again"):
            read_torch_file(checkpoint, "copy it again")


def test_small_files_that_would_fill_the_memory_are_refused(tmp_path):
    path = tmp_path / "bomb.pt"
    for dtype in (torch.float16, torch.float32):
        torch.save({"state_dict": {"a": torch.zeros(1, dtype=dtype).expand(10 ** 9)}}, path)
        with pytest.raises(UserError, match="that its data does not fill"):
            read_torch_file(path, "copy it again")
        with pytest.raises(UserError, match="that its data does not fill"):
            tacotron2.load(path)
    torch.save({"a": torch.zeros(10 ** 6)}, path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    with pytest.raises(UserError, match="compressed parts"):
        read_torch_file(path, "copy it again")
    doubled = ()
    for _ in range(60):
        doubled = (doubled, doubled)
    torch.save({"a": doubled}, path)
    with pytest.raises(UserError, match="refer to each other too often"):
        read_torch_file(path, "copy it again")


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=40) | st.sampled_from([b".", b"\x80\x02K\x01Q.", b"PK\x05\x06" + bytes(18)]))
def test_any_bytes_are_one_line(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("bytes") / "x.pt"
    path.write_bytes(data)
    with pytest.raises(UserError) as error:
        tacotron2.load(path)
    assert "\n" not in str(error.value)


def test_files_from_before_sigma_was_a_setting_speak_as_they_did(tmp_path):
    config = WaveGlowConfig(n_flows=2, n_layers=2, n_channels=8, sigma=0.3)
    waveglow.save(tmp_path / "new.safetensors", waveglow.build(config))
    assert waveglow.load(tmp_path / "new.safetensors").config.sigma == 0.3

    def without_sigma(about: dict) -> dict:
        about["config"].pop("sigma")
        return without_checksum(about)
    old = rewrite(tmp_path / "new.safetensors", tmp_path / "old.safetensors", without_sigma)
    assert waveglow.load(old).config.sigma == 0.6
