"""Speech by ONNX files is that of PyTorch; when they are used, and on which device."""
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import lightspeech
import synthesize
from hparams import UserError
from synthesize import Synthesizer

TEXT = "Hello, you there. It was a long day [pause 200ms] of 3 or 4 things."


def spoken(weights: Path, vocoder_weights: Path, **settings: float) -> tuple[Synthesizer, np.ndarray, np.ndarray]:
    """A speaker, and its wave of TEXT, whole and streamed."""
    speaker = Synthesizer(weights, vocoder_weights=vocoder_weights, device="cpu")
    return speaker, speaker.speak(TEXT, **settings).wave, np.concatenate([*speaker.stream(TEXT, **settings).chunks])


@pytest.mark.parametrize("settings", [{}, {"speed": 1.4, "sigma": 0.0}, {"denoise": 0.3, "sigma": 0.0}])
def test_speech_is_that_of_pytorch_whole_and_in_parts(onnx_voice, monkeypatch, settings) -> None:
    monkeypatch.setattr("synthesis.vocoder_runner.FIRST_CHUNK", 16)
    speaker, wave, streamed = spoken(*onnx_voice, **settings)
    assert type(speaker.mel_predictor).__name__ == "OnnxMelPredictor"
    np.testing.assert_allclose(streamed, wave, atol=1e-3 * np.abs(wave).max())
    words = speaker.speak(TEXT, **settings).words
    for path in onnx_voice:
        path.with_suffix(".onnx").unlink()
    speaker, plain, _ = spoken(*onnx_voice, **settings)
    assert type(speaker.mel_predictor).__name__ == "MelPredictor"
    assert plain.shape == wave.shape and words == speaker.speak(TEXT, **settings).words
    np.testing.assert_allclose(wave, plain, atol=2e-2 * np.abs(plain).max())  # 8 bits


def test_the_seed_decides_the_noise(onnx_voice) -> None:
    speaker, wave, _ = spoken(*onnx_voice)
    assert (speaker.speak(TEXT).wave == wave).all() and not (speaker.speak(TEXT, seed=1).wave == wave).all()
    assert not (speaker.speak(TEXT, sigma=0.1).wave == wave).all()


def test_either_network_can_be_run_by_the_other_program(onnx_voice) -> None:
    _, wave, _ = spoken(*onnx_voice, sigma=0.0)
    for path in onnx_voice:
        (beside := path.with_suffix(".onnx")).rename(path.parent / "kept")
        np.testing.assert_allclose(spoken(*onnx_voice, sigma=0.0)[1], wave, atol=2e-2 * np.abs(wave).max())
        (path.parent / "kept").rename(beside)
    speech = Synthesizer(onnx_voice[0], "griffin-lim", device="cpu").speak("Hello.")
    assert len(speech.wave) and np.isfinite(speech.wave).all()


def test_onnx_files_alone_are_enough(onnx_voice) -> None:
    _, wave, _ = spoken(*onnx_voice)
    for path in onnx_voice:
        path.unlink()
    assert (spoken(*(path.with_suffix(".onnx") for path in onnx_voice))[1] == wave).all()


def test_a_voice_of_onnx_files_alone(onnx_voice, tmp_path) -> None:
    folder = tmp_path / "voice"
    folder.mkdir()
    for path, name in zip(onnx_voice, ("lightspeech", "waveglow")):
        shutil.copy(path.with_suffix(".onnx"), folder / f"{name}.onnx")
    assert (Synthesizer(voice=folder, device="cpu").speak(TEXT).wave == spoken(*onnx_voice)[1]).all()
    (folder / "waveglow.onnx").unlink()
    with pytest.raises(UserError, match="waveglow.safetensors not found there"):
        Synthesizer(voice=folder, device="cpu")


def test_onnx_files_speak_on_the_cpu_beside_a_gpu(onnx_voice, monkeypatch) -> None:
    """The automatic choice of a device is the CPU for them; for other files it may be a GPU."""
    wanted = []
    monkeypatch.setattr("synthesis.synthesizer.find_device", lambda name: wanted.append(name) or "cpu")
    for student, vocoder in (onnx_voice, [path.with_suffix(".onnx") for path in onnx_voice]):
        Synthesizer(student, vocoder_weights=vocoder)
    assert wanted == ["auto", "cpu"]


def test_few_characters_and_sound_for_a_pipe_are_left_to_the_cpu(onnx_voice, monkeypatch, capfdbinary, tmp_path
                                                                  ) -> None:
    wanted = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("synthesis.synthesizer.find_device", lambda name: wanted.append(name) or "cpu")
    monkeypatch.setattr("synthesis.synthesizer.CPU_CHARACTERS", 5)
    files = ["--weights", str(onnx_voice[0]), "--vocoder-weights", str(onnx_voice[1])]

    def device(*options: str) -> str:
        assert synthesize.main([*files, *options]) == 0
        return wanted.pop()
    Path("lines.txt").write_text("Day.\nDay.\n")
    lines = ["--file", "lines.txt"]
    assert device("Day.") == device("Day one.", "-o", "-") == "cpu"
    assert device("Day one.") == device(*lines) == device("Day.", "--vocoder", "griffin-lim") == "auto"
    assert device("Day.", "--device", "cuda") == "cuda"
    onnx_voice[1].with_suffix(".onnx").unlink()
    assert device("Day.") == "auto"


def test_an_onnx_file_of_other_weights_is_not_used(onnx_voice, capsys) -> None:
    model = lightspeech.load(onnx_voice[0])
    assert model.text
    with torch.no_grad():
        model.mel_linear.bias.add_(1)
    lightspeech.save(onnx_voice[0], model, model.text)
    speaker, *_ = spoken(*onnx_voice)
    assert type(speaker.mel_predictor).__name__ == "MelPredictor"
    assert "student.onnx: made from other weights than student.safetensors, not used" in capsys.readouterr().err


def test_a_damaged_onnx_file_is_refused_though_the_weights_are_good(onnx_voice) -> None:
    with open(onnx_voice[1].with_suffix(".onnx"), "r+b") as file:
        file.seek(5000)
        file.write(b"damage")
    with pytest.raises(UserError, match="vocoder.onnx: .*damaged"):
        spoken(*onnx_voice)
