"""The student on a GPU: no hidden waits, results as on the CPU, gradients equal to the bit each time.

All need a GPU, those of the fast inference one of compute capability 9.0 or more.
"""
import pytest
import torch

import lightspeech
from audio import Ragged
from distillation.batches import collate
from distillation.dataset import DistilledDataset
from distillation.manifest import Manifest
from hparams import AudioConfig, LightSpeechConfig, StudentTraining, TextConfig
from lightspeech.loss import student_loss
from lightspeech.model import BidirectionalGRU
from lightspeech.sequences import sequence_mask
from runtime.graphs import RecordedFunction
from text import symbols

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")]


@pytest.fixture
def dataset() -> DistilledDataset:
    """40 random rows of 20 to 100 symbols, on the GPU."""
    generator = torch.Generator().manual_seed(0)
    n = torch.randint(20, 101, (40,), generator=generator)
    durations = [torch.randint(0, 9, (int(k),), generator=generator).int() for k in n]
    t = torch.tensor([int(row.sum()) for row in durations])
    manifest = Manifest(AudioConfig(), TextConfig(), symbols, "none", 1, 0)
    return DistilledDataset(manifest, [str(k) for k in range(40)], [0] * 40,
                            Ragged(torch.randint(1, 148, (int(n.sum()),), generator=generator).byte(), n),
                            Ragged(torch.cat(durations), n),
                            Ragged(torch.randn(int(t.sum()), 80, generator=generator).half(), t),
                            Ragged(torch.randn(int(n.sum()), 512, generator=generator).half(), n)).to("cuda")


@pytest.fixture
def model() -> lightspeech.LightSpeech:
    torch.manual_seed(1)
    return lightspeech.LightSpeech(LightSpeechConfig()).cuda()


def step(model: lightspeech.LightSpeech, dataset: DistilledDataset) -> list[torch.Tensor]:
    """Gradients of one training step under bf16 autocast."""
    model.zero_grad()
    batch = collate(dataset, list(range(32)), 104, 600)
    with torch.autocast("cuda", torch.bfloat16):
        losses = student_loss(model(batch.ids, batch.id_lengths, batch.durations, 600), batch, StudentTraining())
    losses["loss"].backward()
    return [parameter.grad.clone() for parameter in model.parameters()]


@pytest.fixture
def no_waiting():
    """Every wait of the host for the device is an error."""
    def switch(mode: str) -> None:
        torch.cuda.set_sync_debug_mode(mode)
    yield switch
    switch("default")


def test_a_training_step_never_waits_and_repeats_to_the_bit(model, dataset, no_waiting) -> None:
    first = step(model, dataset)
    no_waiting("error")
    second = step(model, dataset)
    no_waiting("default")
    assert all(torch.equal(a, b) and a.isfinite().all() for a, b in zip(first, second))


needs_hopper = pytest.mark.skipif(not torch.cuda.is_available() or torch.cuda.get_device_capability() < (9, 0),
                                  reason="needs a GPU of compute capability 9.0")


@pytest.mark.parametrize("fast", [False, pytest.param(True, marks=needs_hopper)])
def test_inference_waits_once(model, fast, no_waiting) -> None:
    ids, lengths = torch.randint(1, 148, (3, 50), device="cuda"), torch.tensor([50, 7, 31], device="cuda")
    pauses = torch.zeros(3, 50, dtype=torch.bool, device="cuda")
    speaker = lightspeech.fastest(model, RecordedFunction) if fast else model
    for _ in range(3):  # then it is recorded
        speaker.infer(ids, lengths, 1.2, pauses)
    no_waiting("warn")
    with pytest.warns(UserWarning, match="synchronizing") as waits:
        result = speaker.infer(ids, lengths, 1.2, pauses)
    assert len([wait for wait in waits if "synchronizing" in str(wait.message)]) == 1
    assert result.frames == result.mel_lengths.tolist()


def test_forward_on_the_gpu_is_that_on_the_cpu(model, dataset) -> None:
    batch = collate(dataset, [3, 11], 104, 600)
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        gpu = model(batch.ids, batch.id_lengths, batch.durations, 600)
    finally:
        torch.backends.cudnn.allow_tf32 = before
    cpu = model.cpu()(batch.ids.cpu(), batch.id_lengths.cpu(), batch.durations.cpu(), 600)
    for found, expected in zip(gpu, cpu):
        torch.testing.assert_close(found.cpu(), expected, rtol=1e-3, atol=1e-4)


@needs_hopper
@pytest.mark.parametrize("H, B, L", [(128, 1, 577), (128, 5, 9), (256, 1, 99), (256, 17, 9), (256, 300, 3), (32, 2, 1)])
def test_the_kernel_computes_the_plain_steps(H: int, B: int, L: int) -> None:
    from lightspeech.gru_gpu import GpuInferenceGRU, check_support
    check_support(H, torch.device("cuda"))
    torch.manual_seed(0)
    plain = BidirectionalGRU(8, H)
    for gru in (plain.ahead, plain.back):
        gru.weight_hh_l0.data = gru.weight_hh_l0.data.half().float()  # as released weights are
    inputs, lengths = torch.randn(B, L, 8), L - torch.arange(B) % L
    with torch.no_grad():
        expected = plain(inputs, lengths)
        fast = GpuInferenceGRU(plain.ahead.cuda(), plain.back.cuda())
        gates = torch.nn.functional.linear(inputs.cuda(), fast.weight, fast.bias)
        found = fast.run(gates, lengths.cuda()).cpu()
    mask = sequence_mask(lengths, L)
    torch.testing.assert_close(found[mask], expected[mask], rtol=0, atol=1e-5)


@needs_hopper
@pytest.mark.parametrize("pitch", [False, True])
def test_fast_inference_on_the_gpu_is_that_on_the_cpu(pitch: bool) -> None:
    torch.manual_seed(0)
    model = lightspeech.LightSpeech(LightSpeechConfig(pitch=pitch)).eval()
    with torch.no_grad():
        model.duration_head[2].bias[0] = 1.6
    batches = [(torch.randint(1, 148, (len(lengths), 50)), torch.tensor(lengths), speed)
               for lengths, speed in (([50, 7, 31], 1.0), ([50, 7, 31], 1.2), ([44], 1.0), ([1, 50, 50], 1.0))]
    expected = [model.infer(*batch) for batch in batches]
    fast = lightspeech.fastest(model.cuda(), RecordedFunction)
    assert isinstance(fast, lightspeech.FastLightSpeech)
    results = [fast.infer(ids.cuda(), lengths.cuda(), speed) for _ in range(4)  # the later ones are recorded
               for ids, lengths, speed in batches]
    for result, true in zip(results, 4 * expected):  # after all of them: no result is overwritten by a later one
        assert result.frames == true.frames == result.mel_lengths.tolist() and result.durations.equal(true.durations)
        torch.testing.assert_close(result.mel.cpu(), true.mel, rtol=0, atol=2e-2)
