"""The student on a GPU: no hidden waits, the same results as on the CPU, gradients the same bits each time."""
import pytest
import torch

import lightspeech
from audio import Ragged
from distillation.batches import collate
from distillation.dataset import DistilledDataset, Manifest
from hparams import AudioConfig, LightSpeechConfig, StudentTraining, TextConfig
from lightspeech.loss import student_loss
from runtime.graphs import RecordedFunction
from text import symbols

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")]


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


@pytest.mark.parametrize("fast", [False, True])
def test_inference_waits_once(model, fast, no_waiting) -> None:
    ids, lengths = torch.randint(1, 148, (3, 50), device="cuda"), torch.tensor([50, 7, 31], device="cuda")
    pauses = torch.zeros(3, 50, dtype=torch.bool, device="cuda")
    speaker = lightspeech.fastest(model, RecordedFunction) if fast else model
    for _ in range(3):  # then it is recorded
        speaker.infer(ids, lengths, 1.2, pauses)
    no_waiting("warn")
    with pytest.warns(UserWarning, match="synchronizing") as waits:
        said = speaker.infer(ids, lengths, 1.2, pauses)
    assert len([wait for wait in waits if "synchronizing" in str(wait.message)]) == 1
    assert said.frames == said.mel_lengths.tolist()


def test_the_gpu_says_what_the_cpu_says(model, dataset) -> None:
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
