"""The fused kernels of inference against the plain paths: in Triton's interpreter, and on a GPU where there is one."""
import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import lightspeech
import waveglow
from hparams import CONFIGS, LightSpeechConfig, WaveGlowConfig
from lightspeech.gru_cpu import InferenceGRU
from lightspeech.sequences import sequence_mask
from runtime.graphs import RecordedFunction

ROOT = Path(__file__).resolve().parent.parent
VOCODER = """
import torch, waveglow
from hparams import AudioConfig, WaveGlowConfig
from waveglow import fast
torch.manual_seed(0)
audio = AudioConfig(hop_length=64, n_fft=256, win_length=256)
sizes = dict(n_mels=16, n_early_every=4)
fast.FRAME_STEP, fast.GATED, fast.REST = 4, fast.Tile(16, 32, 4, 3), fast.Tile(16, 16, 4, 3)
fast.RESIDUAL, fast.LAYER = fast.REST, fast.LAYER._replace(frames=16)
for fast.WHOLE, config in (  # a program a layer; several, and taps that look as far as the next frame but one
        (64, WaveGlowConfig(**sizes, n_flows=5, n_layers=2, n_channels=16, conditioning="frame", cond_channels=24,
                            generation="old")),
        (16, WaveGlowConfig(**{**sizes, "n_early_every": 1}, n_flows=2, n_layers=5, n_channels=32))):
    model = waveglow.WaveGlow(config, audio).eval()
    for network in model.WN:
        torch.nn.init.normal_(network.end.weight, std=0.2)
        torch.nn.init.normal_(network.end.bias, std=0.1)
    speaker = fast.FastWaveGlow(model, lambda function: function)
    mel, noise, lengths = torch.randn(2, 16, 9) - 4, torch.randn(2, 8, 9 * 8), torch.tensor([9, 5])
    found = speaker.infer(mel, None, noise, lengths)
    expected = model.infer(mel, noise=noise, mel_lengths=lengths)
    assert (found - expected).norm() < 3e-3 * expected.norm() and not found[1, 5 * 64:].any()
assert fast.discrepancy(speaker) < 3e-3
assert fast.large_tiles(160, 2, 132) == 132 and fast.large_tiles(132, 2, 132) == 132
assert fast.large_tiles(200, 2, 132) == 198 and fast.large_tiles(120, 2, 132) == 120 and not fast.large_tiles(9, 2, 132)
"""


def test_kernels_in_the_interpreter() -> None:
    pytest.importorskip("triton")
    subprocess.run([sys.executable, "-c", VOCODER], cwd=ROOT, check=True, env={**os.environ, "TRITON_INTERPRET": "1"})


def test_what_cannot_run_fast_speaks_plainly(monkeypatch, caplog) -> None:
    student = lightspeech.LightSpeech(LightSpeechConfig(embedding_dim=12, encoder_dim=8, decoder_dim=6))
    vocoder = waveglow.WaveGlow(CONFIGS["waveglow"]["tiny"][0])
    assert isinstance(lightspeech.fastest(student, RecordedFunction), lightspeech.FastLightSpeech)
    assert waveglow.fastest(vocoder, RecordedFunction) is vocoder
    assert lightspeech.fastest(student.to("meta"), RecordedFunction).embedding is student.embedding
    assert len(caplog.records) == 1 and "speaking by the plain one" in caplog.text


def test_a_replay_without_a_gpu_is_the_function() -> None:
    replay = RecordedFunction(lambda tensor, number: (tensor * number, tensor))
    for _ in range(3):
        product, same = replay(torch.ones(2), 3)
        assert product.tolist() == [3, 3] and same.tolist() == [1, 1]


needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


@pytest.mark.gpu
@needs_gpu
def test_replays_go_on_when_all_before_are_gone() -> None:
    for _ in range(2):
        replay = RecordedFunction(lambda tensor: tensor + 1)
        assert [replay(torch.ones(3, device="cuda")).sum().item() for _ in range(4)] == [6] * 4
        del replay
        gc.collect()


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("H, B, L", [(128, 1, 577), (128, 5, 9), (256, 1, 99), (256, 17, 9), (256, 300, 3), (32, 2, 1)])
def test_gpu_steps_are_the_plain_ones(H, B, L) -> None:
    from lightspeech import cuda, gpu
    if not cuda.suits(H, torch.device("cuda")):
        pytest.skip("not for this GPU")
    torch.manual_seed(0)
    ways = [torch.nn.GRU(8, H) for _ in range(2)]
    for half in (ways[0].weight_hh_l0, ways[1].weight_hh_l0):
        half.data = half.data.half().float()  # as released weights are
    inputs, lengths, source = torch.randn(B, L, 8), L - torch.arange(B) % L, torch.arange(L).expand(B, -1)
    with torch.no_grad():
        plain = InferenceGRU(*ways)
        expected = plain.run(plain.project_inputs(inputs), lengths, source)
        fast = gpu.GpuRecurrence(*(gru.cuda() for gru in ways), steps=cuda.steps)
        found = fast.run(fast.project_inputs(inputs.cuda()), lengths.cuda(), source.cuda()).cpu()
    inside = sequence_mask(lengths, L)
    torch.testing.assert_close(found[inside], expected[inside], rtol=0, atol=1e-5)


@pytest.mark.gpu
@needs_gpu
def test_student_says_on_the_gpu_what_it_says_on_the_cpu() -> None:
    torch.manual_seed(0)
    model = lightspeech.LightSpeech(LightSpeechConfig()).eval()
    with torch.no_grad():
        model.duration_head[2].bias.fill_(1.6)
    given = [(torch.randint(1, 148, (len(lengths), 50)), torch.tensor(lengths), speed)
             for lengths, speed in (([50, 7, 31], 1.0), ([50, 7, 31], 1.2), ([44], 1.0), ([1, 50, 50], 1.0))]
    plain = lightspeech.FastLightSpeech(model)
    expected = [plain.infer(*texts) for texts in given]
    fast = lightspeech.fastest(model.cuda(), RecordedFunction)
    assert isinstance(fast, lightspeech.FastLightSpeech)
    found = [fast.infer(ids.cuda(), lengths.cuda(), speed) for _ in range(4)  # as it is, half recorded, whole, replayed
             for ids, lengths, speed in given]
    for said, true in zip(found, 4 * expected):  # when all is said: nobody's result is overwritten by the next one
        assert said.frames == true.frames == said.mel_lengths.tolist() and said.durations.equal(true.durations)
        torch.testing.assert_close(said.mel.cpu(), true.mel, rtol=0, atol=2e-2)


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("config", [WaveGlowConfig(n_flows=4), CONFIGS["waveglow"]["default"][0]])
def test_vocoder_says_on_the_gpu_what_the_plain_one_says(config) -> None:
    torch.manual_seed(0)
    model = waveglow.WaveGlow(config).cuda().eval()
    for network in model.WN:
        torch.nn.init.normal_(network.end.weight, std=0.02)
    mel, noise = torch.randn(2, 80, 70, device="cuda") - 4, torch.randn(2, 8, 70 * 32, device="cuda")
    fast, lengths = waveglow.fastest(model, RecordedFunction), torch.tensor([70, 33])
    assert isinstance(fast, waveglow.FastWaveGlow)
    expected = model.infer(mel, noise=noise, mel_lengths=lengths)
    for _ in range(3):
        found = fast.infer(mel, None, noise, lengths)
        assert (found - expected).norm() < 2e-2 * expected.norm()
