"""ONNX files of student and vocoder: they compute what PyTorch computes, and damaged or foreign ones are refused."""
import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import lightspeech
import waveglow
from hparams import CONFIGS, AudioConfig, LightSpeechConfig, TextConfig, UserError
from runtime import onnx_files
from runtime.onnx_files import onnx_about, open_session, read_onnx, write_onnx
from runtime.onnx_graphs import serialize, trace
from runtime.onnx_int8 import quantize_products
from runtime.weights import newest_weights, stored_checksum
from synthesis import onnx_voice
from synthesis.export import __main__ as export_script
from synthesize import Synthesizer
from tests.networks import TINY_VOCODER
from text import symbols
from waveglow.mel_rate import EDGE, MelRateWaveGlow
from waveglow.onnx_form import InverseStft, trace_vocoder

ROOT = Path(__file__).parents[1]


# Graphs


@pytest.mark.parametrize("pitch", [False, True])
def test_the_student_computes_what_pytorch_computes(tmp_path, pitch) -> None:
    torch.manual_seed(3)
    model = lightspeech.LightSpeech(LightSpeechConfig(embedding_dim=12, encoder_dim=32, decoder_dim=6, pitch=pitch))
    with torch.no_grad():
        model.duration_head[2].bias.fill_(1.6)
        model.duration_head[2].weight.mul_(8)
    for weight in model.parameters():  # as released weights are
        weight.data = weight.data.half().float()
    path = tmp_path / "student.onnx"
    lightspeech.save_onnx(path, model.eval(), TextConfig(), {})
    session = open_session(path, read_onnx(path, "lightspeech", AudioConfig(), symbols).data)
    for length, speed in ((1, 1.0), (20, 1.0), (20, 1.7), (33, 0.4), (2, 4.0)):
        ids, pauses = torch.randint(1, 148, (length,)), torch.rand(length) < 0.3
        mel, durations = session.run(None, {"ids": ids.numpy(), "speed": np.array(speed), "pauses": pauses.numpy()})
        expected = model.infer(ids[None], torch.tensor([length]), speed, pauses[None])
        assert (durations == expected.durations[0].numpy()).all() and mel.shape == expected.mel[0].shape
        np.testing.assert_allclose(mel, expected.mel[0].numpy(), atol=1e-4)


def test_a_student_without_any_frame_gives_one(tmp_path) -> None:
    model = lightspeech.LightSpeech(CONFIGS["lightspeech"]["tiny"][0])
    with torch.no_grad():
        model.duration_head[2].bias.fill_(-9.0)
    path = tmp_path / "student.onnx"
    lightspeech.save_onnx(path, model.eval(), TextConfig())
    session = open_session(path, path.read_bytes())
    inputs = {"ids": np.array([5, 6, 7]), "speed": np.array(2.0), "pauses": np.zeros(3, bool)}
    mel, durations = session.run(None, inputs)
    assert durations.tolist() == [1, 0, 0] and mel.shape == (80, 1)


@pytest.mark.parametrize("n_flows", [0, 1, 2, 5])
def test_the_vocoder_computes_what_pytorch_computes(n_flows) -> None:
    torch.manual_seed(4)
    model = waveglow.build(dataclasses.replace(TINY_VOCODER, n_flows=n_flows)).eval()
    assert isinstance(model, MelRateWaveGlow)
    for flow in model.flows:  # untrained, they are nearly the identity
        torch.nn.init.normal_(flow.end.weight, std=0.3)
    for weight in model.parameters():
        weight.data = weight.data.half().float()
    session = open_session(Path("vocoder"), serialize(trace_vocoder(model)))
    assert [value.name for value in session.get_inputs()] == ["mel", "noise"][:1 + bool(n_flows)]
    for frames in (1, 5, 40):
        mel, noise = torch.randn(80, frames) - 4, 3 * torch.randn(model.noise_shape(frames))
        inputs = {"mel": mel.numpy(), "noise": noise.numpy()}
        wave, = session.run(None, {value.name: inputs[value.name] for value in session.get_inputs()})
        with torch.no_grad():
            expected = model.infer(mel[None], 1.0, noise[None])[0].numpy()
        assert wave.shape == (frames * 256,)
        np.testing.assert_allclose(wave, expected, atol=2e-4 * np.abs(expected).max())


def test_the_real_inverse_stft_is_the_complex_one() -> None:
    model, inverse = waveglow.build(dataclasses.replace(TINY_VOCODER, n_flows=0)), InverseStft(1024)
    assert isinstance(model, MelRateWaveGlow)
    spectrum = torch.randn(1, 9, 513, dtype=torch.complex64)
    expected = model._overlap_add(torch.fft.irfft(spectrum, n=1024, dim=2))
    found = inverse(spectrum.real[..., inverse.order], spectrum.imag[..., inverse.order])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("lowest", [None, -0.2])
def test_products_in_8_bits_are_close_and_their_rows_independent(lowest) -> None:
    torch.manual_seed(5)
    linear, ending = torch.nn.Linear(64, 32, bias=False), "/MatMul"
    graph = trace(torch.nn.Sequential(linear), {"x": torch.zeros(3, 64)}, ("y",), {"x": {0: "T"}, "y": {0: "T"}})
    quantize_products(graph, {ending: lowest})
    session = open_session(Path("product"), serialize(graph))
    x = torch.randn(9, 64) * torch.logspace(-3, 3, 9)[:, None]
    if lowest is not None:
        x = x.clamp(min=lowest)
    x[4] = 0
    found, expected = session.run(None, {"x": x.numpy()})[0], linear(x).detach().numpy()
    scale = x.numpy().max(1).clip(1) if lowest is not None else np.abs(x.numpy()).max(1)
    assert (np.abs(found - expected).max(1) <= 0.05 * scale).all() and (found != expected).any()
    for row in range(len(x)):
        assert (session.run(None, {"x": x[row:row + 1].numpy()})[0] == found[row]).all()
    with pytest.raises(ValueError, match="no product called /project"):
        quantize_products(graph, {"/project": None})


def test_the_vocoders_products_are_in_8_bits(tiny_vocoder, tmp_path) -> None:
    path = tmp_path / "vocoder.onnx"
    waveglow.save_onnx(path, waveglow.load(tiny_vocoder))
    found = sum(node.op_type == "QuantizeLinear" for node in onnx.load(path).graph.node)
    assert found == 2 * TINY_VOCODER.n_blocks + 3 * TINY_VOCODER.n_flows + 1


def test_a_graph_that_computes_something_else_is_not_written(tmp_path, monkeypatch) -> None:
    model = waveglow.build(dataclasses.replace(TINY_VOCODER, n_flows=0))
    monkeypatch.setattr("waveglow.onnx_form.MAX_LOG_MAGNITUDE", -9.0)
    with pytest.raises(UserError, match="differs from PyTorch's by .* nothing was written"):
        waveglow.save_onnx(tmp_path / "vocoder.onnx", model)
    assert not list(tmp_path.iterdir())


def test_only_networks_that_have_an_onnx_form_are_exported(vocoder, tmp_path, capsys) -> None:
    assert export_script.main([str(vocoder)]) == 2
    assert "only a vocoder at the mel rate can be exported as ONNX" in capsys.readouterr().err
    assert not vocoder.with_suffix(".onnx").exists()
    for name in ("a.pt", "missing.safetensors"):
        assert export_script.main([str(tmp_path / name)]) == 2


def test_an_interrupted_export_ends_without_a_traceback(monkeypatch, onnx_voice) -> None:
    def interrupt(path: Path) -> None:
        raise KeyboardInterrupt
    monkeypatch.setattr("synthesis.export.export", interrupt)
    assert export_script.main([str(onnx_voice[0])]) == 130


def test_the_export_imports_pytorch_where_an_interrupt_is_handled() -> None:
    code = "import sys, synthesis.export.__main__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0


def test_constants_of_the_runner_are_those_of_the_network() -> None:
    assert (onnx_voice.MARGIN, onnx_voice.EDGE) == (MelRateWaveGlow.margin, EDGE)


# Files


def test_settings_notes_and_half_precision(onnx_voice) -> None:
    student, vocoder = (path.with_suffix(".onnx") for path in onnx_voice)
    found = read_onnx(student, "lightspeech", AudioConfig(), symbols)
    network = lightspeech.load(onnx_voice[0])
    assert (found.config, found.text, found.notes) == (network.config, network.text,
                                                       {"preliminary": "trained for a minute"})
    assert found.source == stored_checksum(onnx_voice[0]) is not None
    assert read_onnx(vocoder, "waveglow", AudioConfig()).notes == {"made": "by a test"}
    count = sum(weight.numel() for weight in network.parameters())
    assert len(found.data) < 2 * count + 60_000  # the nodes of the graph take some 30,000 bytes


def test_any_program_can_run_a_file_and_read_its_settings(onnx_voice) -> None:
    import onnxruntime
    session = onnxruntime.InferenceSession(onnx_voice[0].with_suffix(".onnx"))
    about = json.loads(session.get_modelmeta().custom_metadata_map["lightspeech"])
    assert about["model"] == "lightspeech" and about["audio"]["hop_length"] == 256 and about["symbols"] == symbols


def test_damage_anywhere_is_refused_in_one_line(onnx_voice, tmp_path) -> None:
    data, damaged = onnx_voice[0].with_suffix(".onnx").read_bytes(), tmp_path / "damaged.onnx"
    places = np.random.default_rng(0).integers(0, len(data), 60).tolist()
    for place in (0, 1, 9, len(data) - 1, *places):
        for content in (data[:place], data[:place] + bytes([data[place] ^ 4]) + data[place + 1:]):
            damaged.write_bytes(content)
            with pytest.raises(UserError) as caught:
                read_onnx(damaged, "lightspeech", AudioConfig(), symbols)
            assert str(damaged) in str(caught.value) and "\n" not in str(caught.value)


def forged(path: Path, target: Path, **changes: object) -> Path:
    """A file whose checksum is right, with other settings."""
    about = {**onnx_about(path), **changes, "checksum": "0"}
    data, end, _ = onnx_files._split(path)
    write_onnx(target, data[:end], about)
    return target


def test_files_of_another_kind_are_refused(onnx_voice, tmp_path) -> None:
    path, target = onnx_voice[0].with_suffix(".onnx"), tmp_path / "other.onnx"
    audio = {**dataclasses.asdict(AudioConfig()), "hop_length": 300}
    for changes, told in (({}, None), ({"model": "waveglow"}, "weights of waveglow, expected lightspeech"),
                          ({"audio": audio}, "mel definition has hop_length 300"),
                          ({"symbols": symbols[1:]}, "another symbol table"), ({"format": 7}, "weights format 7"),
                          ({"config": {"width": 3}}, "unknown setting 'width'"), ({"notes": 3}, "notes are damaged")):
        forged(path, target, **changes)
        if told is None:
            read_onnx(target, "lightspeech", AudioConfig(), symbols)
            continue
        with pytest.raises(UserError, match=told):
            read_onnx(target, "lightspeech", AudioConfig(), symbols)
    data, end, _ = onnx_files._split(path)
    for content in (b"", data[:end], b"\x08\x09", onnx_voice[0].read_bytes()):
        target.write_bytes(content)
        with pytest.raises(UserError, match="truncated or no ONNX file of this project"):
            read_onnx(target, "lightspeech", AudioConfig(), symbols)


def test_a_graph_that_onnx_runtime_does_not_know_is_one_line(onnx_voice, tmp_path) -> None:
    target = tmp_path / "other.onnx"
    about = onnx_about(onnx_voice[0].with_suffix(".onnx"))
    write_onnx(target, b"\x08\x09\x3a\x02\x0a\x00", about)  # an empty graph
    with pytest.raises(UserError) as caught:
        Synthesizer(target, "griffin-lim", device="cpu")
    assert "ONNX Runtime" in str(caught.value) and "\n" not in str(caught.value)


def test_an_onnx_file_counts_only_without_its_weights(onnx_voice) -> None:
    folder = onnx_voice[0].parent
    assert newest_weights(folder, None, "") in onnx_voice
    onnx_voice[0].unlink()
    onnx_voice[1].unlink()
    onnx_voice[1].with_suffix(".onnx").unlink()
    assert newest_weights(folder, None, "") == onnx_voice[0].with_suffix(".onnx")


def test_pytorch_says_what_an_onnx_file_is_for(onnx_voice) -> None:
    with pytest.raises(UserError, match="for speaking on the CPU alone"):
        lightspeech.load(onnx_voice[0].with_suffix(".onnx"))
