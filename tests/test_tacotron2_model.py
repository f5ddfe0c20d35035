"""Tacotron 2: parity with NVIDIA's implementation, batches against single rows, losses."""
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from hparams import Tacotron2Config
from tacotron2 import Tacotron2, Tacotron2Output
from tacotron2.inference import BLOCK, draw_dropout_bits, unpack_dropout
from tacotron2.loss import LossWeights, gate_loss, guided_attention, losses, total
from tacotron2.recurrence import PLAIN

GOLDEN = Path(__file__).parent / "golden"
TINY = Tacotron2Config(n_symbols=20, n_mels=8, embedding_dim=12, encoder_dim=12, prenet_dim=10, attention_rnn_dim=16,
                       decoder_rnn_dim=14, attention_dim=6, location_n_filters=4, location_kernel_size=5,
                       postnet_dim=10)


def tiny_model(seed: int = 0, gate_bias: float = -10.0) -> Tacotron2:
    """A small network whose batch norms do something, and whose gate never fires but for another bias."""
    torch.manual_seed(seed)
    model = Tacotron2(TINY)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            torch.nn.init.normal_(module.running_mean, std=0.3)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.3)
    torch.nn.init.constant_(model.decoder.gate_layer.linear_layer.bias, gate_bias)
    return model.eval()


def tiny_batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """ids, id_lengths, mel, mel_lengths of three rows, neither sorted by length; padding full of rubbish."""
    generator = torch.Generator().manual_seed(5)
    ids = torch.randint(1, TINY.n_symbols, (3, 9), generator=generator)
    mel = torch.randn(3, TINY.n_mels, 17, generator=generator)
    return ids, torch.tensor([4, 9, 6]), mel, torch.tensor([12, 17, 9])


def without_prenet_dropout(model: Tacotron2) -> Tacotron2:
    model.decoder.prenet.register_forward_hook(
        lambda prenet, args, output: prenet.forward(args[0], keep=(1.0, 1.0)) if len(args) == 1 else output)
    return model


def close(found: torch.Tensor, expected: torch.Tensor, tolerance: float = 1e-5) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance)


def test_names_and_shapes_are_nvidias(full_model: Tacotron2) -> None:
    golden = json.loads((GOLDEN / "tacotron2_keys.json").read_text())
    assert sum(parameter.numel() for parameter in full_model.parameters()) == golden["params"] == 28193153
    found = [[name, list(value.shape), str(value.dtype).removeprefix("torch.")]
             for name, value in full_model.state_dict().items()]
    assert sorted(found) == sorted(golden["keys"])


def test_parity_with_golden(full_model: Tacotron2) -> None:
    golden = {name: torch.from_numpy(value) for name, value in np.load(GOLDEN / "tacotron2.npz").items()}
    recorded = golden["tf_prenet_out"]  # of the frames; the all-zero first input gives zeros, as no layer has a bias
    given = torch.cat((torch.zeros_like(recorded[:1]), recorded[:-1]))
    hook = full_model.decoder.prenet.register_forward_hook(lambda *_: given)
    with torch.no_grad():
        output = full_model(golden["ids"][None], torch.tensor([67]), golden["tf_mel_in"], torch.tensor([40]))
    hook.remove()
    for name, expected in (("encoder_outputs", "enc_out"), ("mel", "tf_mel_out"), ("gate_logits", "tf_gate"),
                           ("mel_postnet", "tf_mel_out_postnet"), ("alignments", "tf_align")):
        close(getattr(output, name), golden[expected], 1e-4)


def test_padded_forward_equals_single_rows() -> None:
    model = without_prenet_dropout(tiny_model())
    ids, id_lengths, mel, mel_lengths = tiny_batch()
    with torch.no_grad():
        batch = model(ids, id_lengths, mel, mel_lengths)
        for row, (N, T) in enumerate(zip(id_lengths.tolist(), mel_lengths.tolist())):
            single = model(ids[row:row + 1, :N], id_lengths[row:row + 1], mel[row:row + 1, :, :T],
                           mel_lengths[row:row + 1])
            close(batch.mel[row, :, :T], single.mel[0])
            close(batch.mel_postnet[row, :, :T], single.mel_postnet[0])
            close(batch.gate_logits[row, :T], single.gate_logits[0])
            close(batch.alignments[row, :T, :N], single.alignments[0])
            close(batch.encoder_outputs[row, :N], single.encoder_outputs[0])
            assert not batch.mel_postnet[row, :, T:].any() and not batch.alignments[row, :, N:].any()
            assert not batch.alignments[row, T:].any() and not batch.encoder_outputs[row, N:].any()


def test_forward_learns_nothing_of_the_frame_it_is_to_tell() -> None:
    model = without_prenet_dropout(tiny_model())
    ids, id_lengths, mel, mel_lengths = tiny_batch()
    changed = mel.clone()
    changed[:, :, 5] += 1
    with torch.no_grad():
        before, after = (model(ids, id_lengths, m, mel_lengths).mel for m in (mel, changed))
    close(before[:, :, :6], after[:, :, :6], 0)
    assert (before[:, :, 6] != after[:, :, 6]).any()


def test_every_parameter_gets_a_gradient() -> None:
    model = tiny_model()
    total(losses(model(*tiny_batch()), tiny_batch()[2])).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_training_mode_drops_the_recurrent_states() -> None:
    model = without_prenet_dropout(tiny_model())
    seen = []

    class Spy:
        def attention(self, *args):
            seen.append(args[-2:])
            return PLAIN.attention(*args)

        def lstm(self, *args):
            seen.append(args[-2:])
            return PLAIN.lstm(*args)

    model(*tiny_batch(), recurrence=Spy())
    assert [keep for keep, _ in seen] == [None, None]
    model.train()(*tiny_batch(), recurrence=Spy())
    for (keep, probability), H in zip(seen[2:], (TINY.attention_rnn_dim, TINY.decoder_rnn_dim)):
        assert keep.shape == (17, 3, H) and keep.dtype == torch.uint8 and probability == pytest.approx(0.9)
        assert 0.8 < keep.float().mean() < 0.97


def test_autocast_forward_stays_near() -> None:
    model = without_prenet_dropout(tiny_model())
    with torch.no_grad():
        exact = model(*tiny_batch())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = model(*tiny_batch())
    assert rough.mel.dtype == rough.mel_postnet.dtype == rough.encoder_outputs.dtype == torch.float32
    close(rough.mel_postnet, exact.mel_postnet, 0.1)


# ---- losses


def test_losses_of_a_padded_batch_are_the_frame_weighted_mean_of_its_rows() -> None:
    model = without_prenet_dropout(tiny_model())
    ids, id_lengths, mel, mel_lengths = tiny_batch()
    with torch.no_grad():
        batch = losses(model(ids, id_lengths, mel, mel_lengths), mel)
        expected = dict.fromkeys(batch, 0.0)
        for row, (N, T) in enumerate(zip(id_lengths.tolist(), mel_lengths.tolist())):
            single = mel[row:row + 1, :, :T]
            parts = losses(model(ids[row:row + 1, :N], id_lengths[row:row + 1], single, mel_lengths[row:row + 1]),
                           single)
            expected = {name: value + parts[name] * T / mel_lengths.sum() for name, value in expected.items()}
    assert set(batch) == {"mel", "mel_postnet", "gate", "attention"}
    for name, value in batch.items():
        close(value, expected[name])


def test_losses_by_hand() -> None:
    mask = torch.tensor([[True, True, False]])
    output = Tacotron2Output(torch.ones(1, 2, 3), torch.full((1, 2, 3), 3.0), torch.zeros(1, 3), torch.zeros(1, 3, 2),
                             torch.zeros(1, 2, 4), torch.ones(1, 2, dtype=torch.bool), mask)
    parts = losses(output, torch.zeros(1, 2, 3))
    assert parts["mel"] == 1 and parts["mel_postnet"] == 9 and parts["attention"] == 0
    assert total({name: torch.tensor(1.0) for name in parts}, LossWeights(attention=0.5)) == 3.5


def test_gate_loss_wants_the_last_five_frames() -> None:
    mask = torch.arange(12)[None] < 10
    right = torch.where(torch.arange(12)[None] >= 5, 20.0, -20.0)
    assert gate_loss(right, mask) < 1e-6
    late = right.clone()
    late[0, 5] = -20
    assert gate_loss(late, mask) == pytest.approx(6 * 20 / 10, rel=1e-4)


def test_guided_attention_by_hand() -> None:
    masks = torch.ones(1, 4, dtype=torch.bool), torch.ones(1, 4, dtype=torch.bool)
    assert guided_attention(torch.eye(4)[None], *masks) == 0
    stuck = torch.zeros(1, 4, 4)
    stuck[..., 0] = 1
    costs = [1 - math.exp(-(t / 4)**2 / (2 * 0.2**2)) for t in range(4)]
    assert guided_attention(stuck, *masks) == pytest.approx(sum(costs) / 4)


# ---- free running


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def staggered_model() -> Tacotron2:
    """A tiny network whose gate hovers about the threshold, so that its rows stop at different steps."""
    model = tiny_model(seed=1, gate_bias=-1.0)
    torch.manual_seed(1)
    torch.nn.init.normal_(model.decoder.gate_layer.linear_layer.weight)
    return model


def test_batched_reading_equals_single_readings() -> None:
    model, (ids, id_lengths, _, _) = staggered_model(), tiny_batch()
    batch = model.infer(ids, id_lengths, generators(1, 2, 3), max_steps=50)
    for row, N in enumerate(id_lengths.tolist()):
        single = model.infer(ids[row:row + 1, :N], id_lengths[row:row + 1], generators(row + 1), max_steps=50)
        T = int(batch.mel_lengths[row])
        assert single.mel_lengths.tolist() == [T] and single.stopped[0] == batch.stopped[row]
        close(batch.mel[row, :, :T], single.mel[0])
        close(batch.alignments[row, :T, :N], single.alignments[0])
        close(batch.encoder_outputs[row, :N], single.encoder_outputs[0])
        assert not batch.mel[row, :, T:].any() and not batch.alignments[row, T:].any()
    assert batch.stopped.any() and len(set(batch.mel_lengths.tolist())) == 3
    assert batch.mel.shape[2] == batch.alignments.shape[1] == batch.mel_lengths.max()


def test_reading_stops_on_the_first_frame_above_the_threshold() -> None:
    """The stopping frame is kept, as in NVIDIA's code; found again here from the gates of a teacher-forced pass."""
    model, (ids, id_lengths, _, _) = staggered_model(), tiny_batch()
    caught = []
    hook = model.postnet.register_forward_hook(lambda postnet, args, output: caught.append(args[0]))
    read = model.infer(ids[2:, :6], id_lengths[2:], generators(3), max_steps=50)
    hook.remove()
    T = int(read.mel_lengths[0])
    assert read.stopped[0] and T > 1
    keep = unpack_dropout(draw_dropout_bits(generators(3), T, TINY.prenet_dim), TINY.prenet_dim).transpose(0, 1)
    model.decoder.prenet.register_forward_hook(
        lambda prenet, args, output: prenet.forward(args[0], keep) if len(args) == 1 else output)
    with torch.no_grad():
        gates = model(ids[2:, :6], id_lengths[2:], caught[0], read.mel_lengths).gate_logits[0]
    assert gates[T - 1] > 0 and (gates[:T - 1] <= 0).all()


@pytest.mark.parametrize("max_steps", [1, BLOCK, BLOCK + 3])
def test_step_limit(max_steps: int) -> None:
    ids, id_lengths, _, _ = tiny_batch()
    read = tiny_model().infer(ids, id_lengths, generators(1, 2, 3), max_steps=max_steps)
    assert read.mel.shape == (3, TINY.n_mels, max_steps)
    assert read.mel_lengths.tolist() == [max_steps] * 3 and not read.stopped.any()


def test_gate_that_fires_at_once_leaves_one_frame() -> None:
    ids, id_lengths, _, _ = tiny_batch()
    read = tiny_model(gate_bias=10.0).infer(ids, id_lengths, generators(1, 2, 3))
    assert read.mel_lengths.tolist() == [1, 1, 1] and read.stopped.all() and read.mel.shape[2] == 1


def test_reading_follows_its_seed_and_threshold_alone() -> None:
    model, (ids, id_lengths, _, _) = tiny_model(), tiny_batch()
    first, again, other = (model.infer(ids, id_lengths, generators(*seeds), max_steps=20)
                           for seeds in ((1, 2, 3), (1, 2, 3), (1, 2, 4)))
    assert torch.equal(first.mel, again.mel)
    close(first.mel[:2], other.mel[:2])
    assert (first.mel[2] - other.mel[2]).abs().max() > 1e-3
    assert model.infer(ids, id_lengths, generators(1, 2, 3), 20, gate_threshold=1e-9).mel_lengths.max() == 1


def test_one_symbol_is_read() -> None:
    read = tiny_model().infer(torch.tensor([[3]]), torch.tensor([1]), generators(1), max_steps=5)
    assert torch.equal(read.alignments, torch.ones(1, 5, 1))


def test_dropout_bits_do_not_depend_on_how_many_are_drawn() -> None:
    short, long = (draw_dropout_bits(generators(7, 8), steps, 256) for steps in (3, 40))
    assert short.shape == (2, 3, 64) and torch.equal(short, long[:, :3])
    keep = unpack_dropout(long, 256)
    assert keep.shape == (40, 2, 2, 256) and set(keep.unique().tolist()) == {0.0, 2.0}
    assert (keep.mean((0, 2)) - 1).abs().max() < 0.5 and abs(float(keep.mean()) - 1) < 0.02  # every bit is a fair coin


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_graph_equals_ordinary_calls() -> None:
    model, (ids, id_lengths, _, _) = tiny_model().cuda(), tiny_batch()
    read = model.infer(ids.cuda(), id_lengths, generators(1, 2, 3), max_steps=60)
    plain = model.cpu().infer(ids, id_lengths, generators(1, 2, 3), max_steps=60)
    close(read.mel.cpu(), plain.mel, 1e-2)
