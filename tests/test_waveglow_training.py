"""What training needs: segments cut from a corpus, the spectral and adversarial losses, gradients through all."""
import numpy as np
import pytest
import torch
from test_waveglow import SIGMA, random_model

from audio import Ragged, mel_spectrogram
from hparams import UserError
from training.gan_loss import DiscriminatorOutput, discriminator_loss, generator_losses
from training.spectral_loss import SpectralLoss
from training.wave_discriminators import Discriminators
from waveglow.data import SegmentSampler
from waveglow.model import WaveGlow

SEGMENT, CONTEXT, HOP = 2048, 5, 256
WEIGHTS = {"adversarial": 1.0, "feature_matching": 2.0, "mel": 30.0, "stft": 4.0}
SILENCE = float(np.log(1e-5))


def weighted_sum(losses: dict[str, torch.Tensor]) -> torch.Tensor:
    return sum(WEIGHTS[name] * loss for name, loss in losses.items())


def corpus(*lengths: int) -> Ragged:
    random = torch.Generator().manual_seed(0)
    return Ragged.from_rows([(torch.randn(length, generator=random) * 3000).to(torch.int16) for length in lengths])


def test_segment_is_that_of_the_whole_recording():
    waves = corpus(2500, 9000)
    sampler = SegmentSampler(waves, SEGMENT, CONTEXT)
    first = 2500 - SEGMENT + 1  # positions of the first recording
    for start in (0, 256, 2560, 9000 // 256 * 256 - SEGMENT):
        segments = sampler.cut(torch.tensor([first + start]))
        whole = waves.row(1).float() / 32768
        assert torch.equal(segments.wave[0], whole[start:start + SEGMENT])
        mel = mel_spectrogram(whole[None])[0]
        expected = torch.nn.functional.pad(mel, (CONTEXT, CONTEXT + 8), value=SILENCE)
        expected = expected[:, start // HOP:start // HOP + SEGMENT // HOP + 2 * CONTEXT]
        assert segments.mel.shape == (1, 80, SEGMENT // HOP + 2 * CONTEXT)
        assert (segments.mel[0] - expected).abs().max() < 1e-3


def test_other_mels_are_cut_at_the_frames_of_the_wave():
    """With the recordings' own mels, half a louder, as the other ones: the same segments, but on the frames' grid."""
    waves = corpus(2500, 1000, 9000, 4000)
    whole = [mel_spectrogram(waves.row(row).float()[None] / 32768)[0].t() + 0.5 for row in range(4)]
    sampler = SegmentSampler(waves, SEGMENT, CONTEXT, mels=Ragged.from_rows(whole))
    plain = SegmentSampler(waves, SEGMENT, CONTEXT)
    starts = {0: (0, 255, 452), 453: (0, 256, 6000, 6952), 453 + 6953: (300, 1952)}  # of the rows that are long enough
    for first, places in starts.items():
        for place in places:
            cut = sampler.cut(torch.full((3,), first + place))
            on_grid, as_it_is = (plain.cut(torch.tensor([first + at])) for at in (place // HOP * HOP, place))
            inside = on_grid.mel[0] != SILENCE
            for row, expected in enumerate((on_grid, as_it_is, on_grid)):
                assert torch.equal(cut.wave[row], expected.wave[0])
                other = 0.5 * inside if row != 1 else 0
                assert (cut.mel[row] - expected.mel[0] - other).abs().max() < 1e-3


def test_every_position_is_a_segment_of_one_recording():
    waves = corpus(2100, 2300, 100, 2048, 2000, 2200)
    sampler = SegmentSampler(waves, SEGMENT, CONTEXT)
    assert sampler.skipped == 2
    assert sampler.positions == sum(length - SEGMENT + 1 for length in (2100, 2300, 2048, 2200))
    cut = sampler.cut(torch.arange(sampler.positions)).wave
    kept = [waves.row(i).float() / 32768 for i in (0, 1, 3, 5)]
    assert torch.equal(cut, torch.cat([wave.unfold(0, SEGMENT, 1) for wave in kept]))


def test_draws_are_seeded_uniform_and_of_one_shape():
    sampler = SegmentSampler(corpus(6000, 30000), SEGMENT, CONTEXT)
    one, two = (sampler.draw(4, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one.wave, two.wave) and torch.equal(one.mel, two.mel)
    assert one.wave.shape == (4, SEGMENT) and one.wave.dtype == torch.float32
    positions = sampler.draw_positions(20000, torch.Generator().manual_seed(1))
    share = (positions < 6000 - SEGMENT + 1).float().mean()
    assert abs(share - (6000 - SEGMENT + 1) / sampler.positions) < 0.01
    assert positions.min() >= 0 and positions.max() < sampler.positions


def test_corpus_without_a_long_recording_is_a_user_error():
    with pytest.raises(UserError, match="1500 samples"):
        SegmentSampler(corpus(1000, 1500), SEGMENT, CONTEXT)


def test_segment_is_conditioned_as_in_the_whole_recording():
    """The conditioning of a training segment is the same as in synthesis from the mel of the whole recording."""
    model = random_model(SIGMA)
    waves = corpus(5120)
    sampler = SegmentSampler(waves, SEGMENT, model.context)
    mel = mel_spectrogram(waves.row(0).float()[None] / 32768)
    with torch.no_grad():
        whole = model.upsample(mel, 0, mel.shape[2] * HOP)
        for start in (1024, 5120 - SEGMENT):
            part = model.upsample(sampler.cut(torch.tensor([start])).mel, model.context, SEGMENT)
            first = start // 8
            assert torch.allclose(part, whole[:, first:first + part.shape[1]], atol=1e-3)


def test_spectral_loss_is_zero_for_the_same_and_grows():
    loss = SpectralLoss()
    wave = torch.randn(2, 4096) * 0.1
    same = loss(wave, wave)
    assert set(same) == {"mel", "stft"} and same["mel"] == 0 and same["stft"] < 1e-3
    near, far = loss(wave * 1.1, wave), loss(wave * 2, wave)
    assert abs(near["mel"] - np.log(1.1)) < 1e-3 and abs(far["mel"] - np.log(2)) < 1e-3
    assert 0 < near["stft"] < far["stft"]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(loss(wave * 2, wave)["stft"], far["stft"])


def test_spectral_loss_of_silence_has_a_finite_gradient():
    wave = torch.zeros(1, 4096, requires_grad=True)
    weighted_sum(SpectralLoss()(wave, torch.zeros(1, 4096))).backward()
    assert wave.grad.isfinite().all()
    quiet = torch.full((1, 4096), 1e-6, requires_grad=True)
    weighted_sum(SpectralLoss()(quiet, torch.randn(1, 4096))).backward()
    assert quiet.grad.isfinite().all() and quiet.grad.any()


def test_every_parameter_gets_a_gradient_in_adversarial_training():
    torch.manual_seed(0)
    model, judges, spectral = random_model(SIGMA), Discriminators(), SpectralLoss()
    segments = SegmentSampler(corpus(9000), SEGMENT, model.context).draw(2, torch.Generator().manual_seed(0))
    wave = model.infer(segments.mel, noise=torch.randn(2, 8, SEGMENT // 8), crop=model.context)
    real, fake = judges(segments.wave), judges(wave)
    losses = spectral(wave, segments.wave) | generator_losses(real, fake)
    assert set(losses) == {"mel", "stft", "adversarial", "feature_matching"}
    of_judges = list(judges.parameters())
    gradients = torch.autograd.grad(discriminator_loss(real, fake), of_judges, retain_graph=True)
    assert all(gradient.isfinite().all() and gradient.any() for gradient in gradients)
    weighted_sum(losses).backward(inputs=list(model.parameters()))
    for name, parameter in model.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any(), name
    assert all(parameter.grad is None for parameter in of_judges)


def test_losses_know_right_from_wrong():
    def says(score: float, feature: float) -> DiscriminatorOutput:
        return DiscriminatorOutput([torch.full((2, 1, 3), score), torch.full((2, 4), score)],
                         [[torch.full((2, 3), feature)], [torch.full((1,), feature)]])
    assert discriminator_loss(says(1, 0), says(0, 0)) == 0
    assert discriminator_loss(says(0, 0), says(1, 0)) == 4
    assert generator_losses(says(1, 1), says(1, 1)) == {"adversarial": 0, "feature_matching": 0}
    losses = generator_losses(says(1, 1), says(0, 3))
    assert losses == {"adversarial": 2, "feature_matching": 4}
    recorded, generated = torch.ones(3, requires_grad=True), torch.zeros(3, requires_grad=True)
    real, fake = DiscriminatorOutput([recorded], [[recorded]]), DiscriminatorOutput([generated], [[generated]])
    generator_losses(real, fake)["feature_matching"].backward()
    assert recorded.grad is None and generated.grad is not None


def test_discriminators_take_any_length_and_autocast():
    judges = Discriminators()
    for length in (2048, 2050, 2310):
        judgement = judges(torch.randn(1, length))
        assert len(judgement.scores) == len(judgement.features) == 8
    wave = torch.randn(2, 2048) * 0.1
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = judges(wave)
    assert half.scores[0].dtype == torch.bfloat16
    for rough, exact in zip(half.scores, judges(wave).scores):
        assert (rough - exact).abs().max() < 0.05


def test_adversarial_training_learns():
    """A few spectral steps through the inverse bring the wave nearer to its target."""
    torch.manual_seed(0)
    model, spectral = WaveGlow(SIGMA), SpectralLoss()
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    target = torch.sin(torch.arange(SEGMENT) * 0.2)[None] * 0.3
    mel = mel_spectrogram(target)[..., :SEGMENT // HOP]
    noise = torch.randn(1, 8, SEGMENT // 8)
    losses = []
    for _ in range(30):
        losses.append(weighted_sum(spectral(model.infer(mel, noise=noise), target)))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < 0.8 * losses[0]
