"""Speech by a vocoder with a flow: --seed and --sigma decide its noise; pieces and parts have that of the whole."""
import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import synthesize
import waveglow
from hparams import UserError, WaveGlowConfig
from synthesis.export import __main__ as export_script
from synthesis.onnx_voice import OnnxVocoder
from synthesize import Synthesizer

CONFIG = WaveGlowConfig(squeeze="mdct", n_flows=2, n_blocks=2, block_channels=16, block_hidden=32, flow_channels=8,
                        sigma=0.7)
SENTENCE = "Hello, you there, it was a long day."


@pytest.fixture(params=["ONNX Runtime", "PyTorch"])
def voice(request, student, tmp_path, monkeypatch) -> Path:
    """A folder with student and vocoder, whose flow changes the noise; the current folder is empty."""
    folder, empty = tmp_path / "voice", tmp_path / "empty"
    folder.mkdir()
    empty.mkdir()
    monkeypatch.chdir(empty)
    monkeypatch.setattr("synthesis.vocoder_runner.FIRST_CHUNK", 16)
    torch.manual_seed(2)
    network = waveglow.build(CONFIG)
    for flow in network.flows:
        torch.nn.init.normal_(flow.end.weight, std=0.1)
    torch.nn.init.constant_(network.scale.bias, 2.0)  # loud enough to be heard beside the mean
    shutil.copy(student, folder / "lightspeech.safetensors")
    waveglow.save(folder / "waveglow.safetensors", network)
    if request.param == "ONNX Runtime":
        assert export_script.main([str(folder / f"{model}.safetensors") for model in ("lightspeech", "waveglow")]) == 0
    return folder


def spoken(voice: Path, *options: object) -> np.ndarray:
    """Returns the samples of SENTENCE as the script writes them."""
    assert synthesize.main([SENTENCE, "--voice", str(voice), "--vocoder", "waveglow", "--device", "cpu",
                            *map(str, options)]) == 0
    return soundfile.read("out.wav", dtype="int16")[0]


def test_seed_and_sigma_decide_the_noise(voice) -> None:
    usual, quiet = spoken(voice), spoken(voice, "--sigma", 0)
    assert usual.std() > 0 and np.array_equal(spoken(voice, "--seed", 0), usual)
    assert np.array_equal(spoken(voice, "--sigma", CONFIG.sigma), usual)
    assert np.array_equal(spoken(voice, "--seed", 1, "--sigma", 0), quiet)
    other = spoken(voice, "--seed", 1)
    for found in (other, quiet, spoken(voice, "--sigma", 0.2)):
        assert np.abs(found.astype(float) - usual).max() > 0.05 * np.abs(usual).max()


def test_parts_join_and_each_sentence_has_noise_of_its_own(voice) -> None:
    speaker = Synthesizer(voice=voice, device="cpu")
    text, settings = f"{SENTENCE} {SENTENCE}", {"pause": 0.5, "seed": 3}
    whole, joined = speaker.speak(text, **settings).wave, np.concatenate([*speaker.stream(text, **settings).chunks])
    assert joined.shape == whole.shape
    np.testing.assert_allclose(joined, whole, atol=1e-3 * np.abs(whole).max())
    alone = speaker.speak(SENTENCE, **settings).wave
    np.testing.assert_allclose(whole[:len(alone)], alone, atol=1e-5)
    second = whole[-len(alone):]
    assert np.abs(second - alone).max() > 0.05 * np.abs(alone).max()
    np.testing.assert_allclose(speaker.speak(text, sigma=0.0, **settings).wave[-len(alone):],
                               speaker.speak(SENTENCE, sigma=0.0, **settings).wave, atol=1e-5)


@pytest.mark.filterwarnings("ignore:overflow")
def test_waves_that_are_not_finite_are_refused(voice) -> None:
    speaker = Synthesizer(voice=voice, device="cpu")
    vocoder = speaker.vocoder.vocoder
    network = vocoder if isinstance(vocoder, OnnxVocoder) else vocoder.network
    network.config = dataclasses.replace(network.config, sigma=1e38)
    with pytest.raises(UserError, match="a sound that is not finite"):
        speaker.speak(SENTENCE)
