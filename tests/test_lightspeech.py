"""The student: shapes, independence of rows, gradients, losses, weights files."""
import dataclasses

import pytest
import torch
from safetensors.torch import load_file
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import lightspeech
from audio import covariance_map
from hparams import AudioConfig, LightSpeechConfig, StudentTraining, TextConfig, UserError
from lightspeech.data import StudentBatch
from lightspeech.durations import N_POSITION_FEATURES, align_frames, durations_to_log, position_features
from lightspeech.loss import student_loss
from lightspeech.model import BidirectionalGRU, LightSpeech
from lightspeech.pitch import N_HARMONIC_BANDS, HarmonicPattern
from lightspeech.sequences import sequence_mask
from runtime.weights import HALF_FROM, save_weights
from text import symbols

TINY = LightSpeechConfig(embedding_dim=12, encoder_dim=32, decoder_dim=6, pitch=True)


def tiny_model() -> LightSpeech:
    torch.manual_seed(1)
    model = LightSpeech(TINY).eval()
    with torch.no_grad():  # an untrained head predicts less than one frame; this one about 4, more and less
        model.duration_head[2].bias.fill_(1.6)
        model.duration_head[2].weight.mul_(8)
    return model


def rows(*lengths: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random ids (B, N), their padding full of another symbol, and their lengths."""
    generator = torch.Generator().manual_seed(2)
    return torch.randint(1, 148, (len(lengths), max(lengths)), generator=generator), torch.tensor(lengths)


def tiny_batch(model: LightSpeech) -> StudentBatch:
    generator = torch.Generator().manual_seed(3)
    ids, id_lengths = rows(5, 3)
    durations = torch.tensor([[2, 0, 3, 1, 2], [1, 4, 1, 0, 0]])
    pitch = torch.stack((torch.full((2, 10), 5.3), torch.rand(2, 10, generator=generator)), 2)
    return StudentBatch(["a/0", "b/0"], ids, id_lengths, durations, torch.randn(2, 80, 10, generator=generator),
                        durations.sum(1), pitch, torch.randn(2, 5, 2 * model.config.encoder_dim, generator=generator))


def run(model: LightSpeech, batch: StudentBatch) -> lightspeech.LightSpeechOutput:
    return model(batch.ids, batch.id_lengths, batch.durations, batch.mel.shape[2])


def test_published_size() -> None:
    sizes = [sum(parameter.numel() for parameter in LightSpeech(LightSpeechConfig(pitch=pitch)).parameters())
             for pitch in (False, True)]
    assert sizes == [1_867_089, 1_867_083]


def test_forward_of_a_batch_is_that_of_its_rows() -> None:
    model = tiny_model()
    batch = tiny_batch(model)
    together = run(model, batch)
    assert together.mel.shape == (2, 80, 10) and together.encoder_features.shape == (2, 5, 64)
    assert together.mel_lengths.tolist() == [8, 6]
    for row, (n, t) in enumerate(zip(batch.id_lengths.tolist(), batch.mel_lengths.tolist())):
        alone = model(batch.ids[row:row + 1, :n], batch.id_lengths[row:row + 1], batch.durations[row:row + 1, :n], t)
        for found, expected in ((together.mel[row, :, :t], alone.mel[0]),
                                (together.log_durations[row, :n], alone.log_durations[0]),
                                (together.encoder_features[row, :n], alone.encoder_features[0])):
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
        assert together.mel[row, :, t:].abs().sum() == 0
        assert together.log_durations[row, n:].abs().sum() == together.encoder_features[row, n:].abs().sum() == 0


def test_forward_does_not_look_at_the_padding_of_ids_and_durations() -> None:
    model = tiny_model()
    batch = tiny_batch(model)
    other = batch._replace(ids=batch.ids.clone(), durations=batch.durations.clone())
    other.ids[1, 3:], other.durations[1, 3:] = 7, 9
    for found, expected in zip(run(model, other), run(model, batch)):
        assert torch.equal(found, expected)


def test_two_one_way_grus_are_a_packed_bidirectional_one() -> None:
    torch.manual_seed(5)
    ours, reference = BidirectionalGRU(6, 4), torch.nn.GRU(6, 4, bidirectional=True, batch_first=True)
    for suffix, gru in (("", ours.ahead), ("_reverse", ours.back)):
        for name, parameter in gru.named_parameters():
            getattr(reference, name + suffix).data.copy_(parameter.data)
    inputs, lengths = torch.randn(3, 7, 6), torch.tensor([4, 7, 1])
    packed = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
    expected, _ = pad_packed_sequence(reference(packed)[0], batch_first=True)
    found = ours(inputs, lengths).masked_fill(~sequence_mask(lengths, 7)[..., None], 0.0)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("speed", [1.0, 1.3])
def test_inference_of_a_batch_is_that_of_its_rows(speed: float) -> None:
    model = tiny_model()
    ids, lengths = rows(9, 1, 4)
    together = model.infer(ids, lengths, speed)
    assert together.frames == together.mel_lengths.tolist() == together.durations.sum(1).tolist()
    assert len(set(together.durations[0].tolist())) > 2  # not the same for all symbols
    for row, n in enumerate(lengths.tolist()):
        alone = model.infer(ids[row:row + 1, :n], lengths[row:row + 1], speed)
        assert alone.durations[0].tolist() == together.durations[row, :n].tolist()
        torch.testing.assert_close(together.mel[row, :, :together.frames[row]], alone.mel[0], rtol=1e-5, atol=1e-6)
        assert together.durations[row, n:].sum() == together.mel[row, :, together.frames[row]:].abs().sum() == 0


def test_inference_is_forward_with_its_own_durations() -> None:
    model = tiny_model()
    ids, lengths = rows(6, 4)
    result = model.infer(ids, lengths)
    with torch.no_grad():
        forced = model(ids, lengths, result.durations, max(result.frames))
    assert torch.equal(result.mel, forced.mel)


def test_every_parameter_gets_a_gradient() -> None:
    model = tiny_model()
    batch = tiny_batch(model)
    student_loss(run(model, batch), batch, StudentTraining())["loss"].backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
    used = model.embedding.weight.grad.abs().sum(1).nonzero().flatten().tolist()
    assert used == sorted(set(batch.ids[0].tolist()) | set(batch.ids[1, :3].tolist()))


def test_one_symbol_and_no_frame() -> None:
    model = tiny_model()
    with torch.no_grad():
        model.duration_head[2].bias.fill_(-50)
    result = model.infer(*rows(1))
    assert result.frames == [1] and result.mel.shape == (1, 80, 1) and result.mel.isfinite().all()


def test_losses_known_by_hand() -> None:
    model = tiny_model()
    batch = tiny_batch(model)
    output = lightspeech.LightSpeechOutput(batch.mel + 2, batch.mel_lengths, durations_to_log(batch.durations) - 0.5,
                                           batch.features + 3, batch.pitch[..., 0] + 0.25)
    losses = student_loss(output, batch, StudentTraining(duration_weight=4.0, feature_weight=10.0))
    assert {name: round(value.item(), 4) for name, value in losses.items()} == {
        "mel": 2.0, "duration": 0.1487, "pitch": 0.25, "feature": 3.0, "loss": 32.8449}  # exp(0.5) - 1 - 0.5
    assert student_loss(output, batch, StudentTraining(mel_loss="l2"))["mel"].item() == pytest.approx(4.0)


def test_padding_changes_neither_losses_nor_gradients() -> None:
    model = tiny_model()
    batch = tiny_batch(model)
    spoilt = StudentBatch(*(part.clone() if torch.is_tensor(part) else part for part in batch))
    spoilt.mel[0, :, 8:], spoilt.mel[1, :, 6:] = float("nan"), 1e9
    spoilt.durations[1, 3:], spoilt.features[1, 3:] = 77, float("inf")
    spoilt.pitch[0, 8:], spoilt.pitch[1, 6:] = float("nan"), 1e9
    results = []
    for case in (batch, spoilt):
        model.zero_grad()
        losses = student_loss(run(model, case), case, StudentTraining())
        losses["loss"].backward()
        results.append((losses, [parameter.grad.clone() for parameter in model.parameters()]))
    for name, value in results[0][0].items():
        assert torch.equal(value, results[1][0][name]), name
    assert all(torch.equal(clean, other) for clean, other in zip(results[0][1], results[1][1]))


def test_features_are_optional() -> None:
    model = tiny_model()
    batch = tiny_batch(model)
    output = run(model, batch)
    alone = batch._replace(features=None, pitch=None)
    assert set(student_loss(output, alone, StudentTraining())) == {"mel", "duration", "loss"}
    assert "feature" not in student_loss(output, batch, StudentTraining(feature_weight=0.0))
    with pytest.raises(UserError, match="the student has 64, the distilled data 512"):
        student_loss(output, batch._replace(features=torch.zeros(2, 5, 512)), StudentTraining())


def test_autocast_keeps_durations_and_losses_in_float32() -> None:
    model = tiny_model()
    batch = tiny_batch(model)
    with torch.autocast("cpu", torch.bfloat16):
        output = run(model, batch)
        losses = student_loss(output, batch, StudentTraining())
    assert output.log_durations.dtype == losses["loss"].dtype == torch.float32
    torch.testing.assert_close(output.mel.float(), run(model, batch).mel, rtol=0.05, atol=0.05)


def test_weights_come_back(tmp_path) -> None:
    model, text = tiny_model(), TextConfig(cleaners="basic_cleaners", phonemes=False)
    lightspeech.save(tmp_path / "student.safetensors", model, text, {"steps": 5})
    loaded = lightspeech.load(tmp_path / "student.safetensors")
    assert loaded.config == TINY and loaded.text == text and not loaded.training
    for name, tensor in model.state_dict().items():
        expected = tensor.half().float() if tensor.numel() >= HALF_FROM else tensor
        assert torch.equal(loaded.state_dict()[name], expected)


def test_weights_refused_by_name(tmp_path) -> None:
    model, path = tiny_model(), tmp_path / "student.safetensors"
    whole = model.state_dict()

    def refused(match: str, tensors: dict = whole, kind: str = "lightspeech", table: list = symbols, **audio) -> None:
        save_weights(path, kind, tensors, TINY, dataclasses.replace(AudioConfig(), **audio), TextConfig(), table)
        with pytest.raises(UserError, match=match):
            lightspeech.load(path)
    refused("weights of waveglow, expected lightspeech", kind="waveglow")
    refused("another symbol table", table=symbols[:-1])
    refused("hop_length 200, expected 256", hop_length=200)
    refused("missing: mel_linear.bias", {name: tensor for name, tensor in whole.items() if name != "mel_linear.bias"})
    refused("unexpected: postnet", {**whole, "postnet": torch.zeros(1)})
    refused(r"mel_linear.bias \(3,\) instead of \(80,\)", {**whole, "mel_linear.bias": torch.zeros(3)})


def test_truncated_and_missing_weights(tmp_path) -> None:
    path = tmp_path / "student.safetensors"
    lightspeech.save(path, tiny_model(), TextConfig())
    assert load_file(path)["embedding.weight"].dtype == torch.float16
    assert load_file(path)["mel_linear.bias"].dtype == torch.float32
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="student.safetensors"):
        lightspeech.load(path)
    with pytest.raises(UserError, match="nowhere"):
        lightspeech.load(tmp_path / "nowhere.safetensors")


def test_pitch_and_position_features_replace_the_last_encoder_features() -> None:
    model = tiny_model()
    alignment, pitch = align_frames(torch.tensor([[2, 3]]), 6), torch.full((1, 6), 5.0)
    frames = model.expand_to_frames(torch.ones(1, 2, 64), alignment, pitch)[0]
    encoder, harmonics, position = frames[:5].tensor_split([-N_HARMONIC_BANDS - N_POSITION_FEATURES,
                                                            -N_POSITION_FEATURES], 1)
    assert (encoder == 1).all() and (frames[5] == 0).all()
    torch.testing.assert_close(harmonics, HarmonicPattern()(pitch)[0, :5])
    assert torch.equal(position, position_features(alignment)[0, :5])


def test_forward_uses_the_pitch_passed_in_and_returns_the_predicted_one() -> None:
    model, batch = tiny_model(), tiny_batch(tiny_model())
    pitch = torch.full((2, 10), 5.0)
    with torch.no_grad():
        predicted = run(model, batch)
        other = model(batch.ids, batch.id_lengths, batch.durations, 10, pitch)
        same = model(batch.ids, batch.id_lengths, batch.durations, 10, predicted.pitch)
    assert torch.equal(predicted.pitch, other.pitch) and torch.equal(predicted.mel, same.mel)
    assert not torch.equal(predicted.mel, other.mel)


def test_too_narrow_for_pitch() -> None:
    with pytest.raises(UserError, match="encoder_dim: found 16, expected more than 28 with pitch"):
        LightSpeech(LightSpeechConfig(encoder_dim=16, pitch=True))


def test_sharpening_maps_the_mel_and_changes_nothing_else() -> None:
    model, generator = tiny_model(), torch.Generator().manual_seed(4)
    plain = model.infer(*rows(9, 4))
    bands = covariance_map(*torch.randn(2, 300, 80, generator=generator), 1.2)._replace(target=torch.ones(80).double())
    lightspeech.sharpen(model, bands)
    sharp = model.infer(*rows(9, 4))
    expected = bands.target[:, None] + bands.matrix @ (plain.mel[0].double() - bands.source[:, None])
    torch.testing.assert_close(sharp.mel[0].double(), expected, rtol=1e-4, atol=1e-4)
    assert torch.equal(sharp.durations, plain.durations) and sharp.mel[1, :, sharp.frames[1]:].abs().sum() == 0
