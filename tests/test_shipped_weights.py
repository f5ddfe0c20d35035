"""The weights that ship: their ONNX forms belong to them, and a training can start from them without any option."""
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from audio import mel_spectrogram
from hparams import CONFIGS
from runtime.onnx_files import onnx_about
from runtime.weights import newest_weights, stored_checksum
from synthesis.export import shipped_weights
from synthesize import Synthesizer
from training.distributed import Workers
from training.export import NETWORKS, start_from

ROOT = Path(__file__).parents[1]
CPU = Workers(0, 1, torch.device("cpu"))
TEXT = "Hello, you there. It was a long day [pause 200ms] of 3 or 4 things."


@pytest.mark.parametrize("model", NETWORKS)
def test_a_training_with_the_default_settings_starts_from_the_weights_that_ship(model) -> None:
    """--init refuses weights with other settings, even one that the network does not use."""
    paths = [*ROOT.glob(f"{model}/pre_trained_model/*.safetensors"), *ROOT.glob(f"voices/*/{model}.safetensors")]
    assert paths
    for path in paths:
        start_from(path, model, NETWORKS[model][1](CONFIGS[model]["default"][0]), CPU)


def test_shipped_onnx_files_are_made_from_the_shipped_weights() -> None:
    assert len(shipped_weights()) >= 2
    for path in shipped_weights():
        assert onnx_about(path.with_suffix(".onnx"))["source"] == stored_checksum(path), path


def test_the_shipped_voice_speaks_as_pytorch_does(tmp_path) -> None:
    speech, paths = Synthesizer(device="cpu").speak(TEXT, sigma=0.0), []
    for model in ("lightspeech", "waveglow"):
        path = newest_weights(ROOT / model / "pre_trained_model", None, "")
        paths.append(shutil.copy(path, tmp_path))
    plain = Synthesizer(paths[0], vocoder_weights=paths[1], device="cpu").speak(TEXT, sigma=0.0)
    assert speech.words == plain.words
    np.testing.assert_allclose(speech.mel, plain.mel, atol=2e-3)
    # The vocoder's 8 bits change samples a little, and in a few sounds the phase. So the whole is compared by its mel.
    tenths = zip(*(np.array_split(one.wave, len(one.wave) // (speech.sample_rate // 10)) for one in (speech, plain)))
    errors = [np.linalg.norm(a - b) / np.linalg.norm(b) for a, b in tenths if b.any()]
    assert np.median(errors) < 0.07
    mels = [mel_spectrogram(torch.from_numpy(one.wave)[None])[0] for one in (speech, plain)]
    assert (mels[0] - mels[1]).abs().mean() < 0.03  # natural log; it is 0.08 for a vocoder trained longer
