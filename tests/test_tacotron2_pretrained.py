"""Tacotron 2's weights files: ours, the published form, and files that are neither."""
import dataclasses
import io
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from test_tacotron2_model import TINY, close, tiny_model

from audio import covariance_map
from hparams import AudioConfig, TextConfig, UserError
from runtime.weights import save_weights
from tacotron2 import Tacotron2, load, save, sharpen
from tacotron2.pretrained import PUBLISHED_TEXT
from text import symbols


def test_released_file_round_trip(tmp_path: Path) -> None:
    config = dataclasses.replace(TINY, n_symbols=len(symbols), n_mels=80)
    model, text = Tacotron2(config), TextConfig(cleaners="basic_cleaners", phonemes=False)
    save(tmp_path / "t.safetensors", model, text, {"steps": 7})
    read = load(tmp_path / "t.safetensors")
    assert read.config == config and read.text == text and not read.training
    for name, value in model.state_dict().items():
        close(read.state_dict()[name].float(), value.float(), 1e-3)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_published_file(tmp_path: Path, full_model: Tacotron2, prefix: str) -> None:
    state = {prefix + name: value for name, value in full_model.state_dict().items()}
    torch.save({"state_dict": state, "iteration": 7}, tmp_path / "published.pt")
    read = load(str(tmp_path / "published.pt"))
    assert read.text == PUBLISHED_TEXT and not read.text.phonemes and not read.training
    assert all(torch.equal(value, full_model.state_dict()[name]) for name, value in read.state_dict().items())


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as error:
        load(path)
    assert "\n" not in str(error.value) and str(path) in str(error.value) and len(str(error.value)) < 600
    return str(error.value)


def test_other_tensors_are_named(tmp_path: Path, full_model: Tacotron2) -> None:
    state = full_model.state_dict()
    state["extra.weight"] = state.pop("embedding.weight")
    state["decoder.gate_layer.linear_layer.bias"] = torch.zeros(2)
    torch.save({"state_dict": state}, tmp_path / "other.pt")
    message = refusal(tmp_path / "other.pt")
    assert "1 tensors missing: embedding.weight" in message and "1 tensors unexpected: extra.weight" in message
    assert "decoder.gate_layer.linear_layer.bias (2,) instead of (1,)" in message


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
@pytest.mark.parametrize("zipped", [True, False])
def test_truncated_published_file(tmp_path: Path, share: float, zipped: bool) -> None:
    buffer = io.BytesIO()
    torch.save({"state_dict": Tacotron2(TINY).state_dict()}, buffer, _use_new_zipfile_serialization=zipped)
    (tmp_path / "cut.pt").write_bytes(buffer.getvalue()[:int(len(buffer.getvalue()) * share)])
    refusal(tmp_path / "cut.pt")


class Malice:
    """Unpickles to a call that leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return Path.touch, (self.mark,)


def test_malicious_file_is_refused_and_not_run(tmp_path: Path) -> None:
    torch.save({"state_dict": Malice(tmp_path / "mark")}, tmp_path / "bad.pt")
    (tmp_path / "raw.pt").write_bytes(pickle.dumps(Malice(tmp_path / "mark"), protocol=2))
    for name in ("bad.pt", "raw.pt"):
        assert "plain tensors" in refusal(tmp_path / name)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_nested_tuples_do_not_hang(tmp_path: Path, zipped: bool) -> None:
    """A tuple of the tuple before, twice, sixty times: 2^60 steps to hash it as the key of a dict."""
    data = b"\x80\x02]()q\x00" + b"h\x00h\x00\x86q\x00" * 60 + b"e}h\x00K\x01s."
    if zipped:
        with zipfile.ZipFile(tmp_path / "nested.pt", "w") as archive:
            archive.writestr("archive/data.pkl", data)
            archive.writestr("archive/version", "3")
    else:
        (tmp_path / "nested.pt").write_bytes(data)
    assert "refer to each other too often" in refusal(tmp_path / "nested.pt")


def test_damaged_tensors_of_a_published_file_are_found(tmp_path: Path, full_model: Tacotron2) -> None:
    torch.save({"state_dict": full_model.state_dict()}, tmp_path / "published.pt")
    data = bytearray((tmp_path / "published.pt").read_bytes())
    middle = len(data) // 2
    data[middle:middle + 4096] = bytes(4096)
    (tmp_path / "published.pt").write_bytes(data)
    assert "damaged (the checksum of" in refusal(tmp_path / "published.pt")


def test_foreign_files(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "none.pt")
    assert "a folder" in refusal(tmp_path)
    torch.save({"model": 1}, tmp_path / "other.pt")
    assert "state_dict" in refusal(tmp_path / "other.pt")
    torch.save({"state_dict": {"step": 1}}, tmp_path / "numbers.pt")
    assert "state_dict" in refusal(tmp_path / "numbers.pt")
    (tmp_path / "text.pt").write_text("hello")
    refusal(tmp_path / "text.pt")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10")
    refusal(tmp_path / "cut.safetensors")
    save_weights(tmp_path / "w.safetensors", "waveglow", {"a": torch.zeros(1)}, TINY, AudioConfig())
    assert "waveglow" in refusal(tmp_path / "w.safetensors")
    save_weights(tmp_path / "s.safetensors", "tacotron2", {}, dataclasses.replace(TINY, n_mels=80), AudioConfig(),
                 TextConfig(), symbols[:-1])
    assert "symbol table" in refusal(tmp_path / "s.safetensors")


def test_sharpening_maps_the_mel_after_the_postnet_and_changes_nothing_else() -> None:
    model, generator = tiny_model(), torch.Generator().manual_seed(4)
    ids, lengths = torch.tensor([[1, 2, 3, 4, 5]]), torch.tensor([5])
    said = [model.infer(ids, lengths, [torch.Generator().manual_seed(3)], max_steps=40)]
    frames = torch.randn(2, 300, TINY.n_mels, generator=generator)
    bands = covariance_map(frames[0], frames[1] @ torch.randn(TINY.n_mels, TINY.n_mels, generator=generator) + 2, 1.2)
    sharpen(model, bands)
    said.append(model.infer(ids, lengths, [torch.Generator().manual_seed(3)], max_steps=40))
    plain, sharp = said
    expected = bands.target[:, None] + bands.matrix @ (plain.mel[0].double() - bands.source[:, None])
    close(sharp.mel[0].double(), expected, 1e-3)
    close(sharp.alignments, plain.alignments, 1e-4)
    assert sharp.mel_lengths.tolist() == plain.mel_lengths.tolist() and plain.mel.shape[2] == 40
