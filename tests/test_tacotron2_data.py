"""The teacher's training rows: mels made in chunks, texts mixed of letters and phonemes, padded batches."""
import random

import pytest
import torch

from audio import Ragged, mel_spectrogram
from hparams import Tacotron2Config, UserError
from tacotron2 import Tacotron2, data
from tacotron2.data import TeacherDataset, mels_from_waves
from tacotron2.loss import losses, total
from text import Line, sequence_to_text

LINES = [Line("a", "Author of the trail.", "{AO1 TH ER0} {AH0 V} {DH AH0} {T R EY1 L}."),
         Line("b", "Two men shook hands.", "{T UW1} {M EH1 N} {SH UH1 K} {HH AE1 N D Z}."),
         Line("c", "The trail.", None)]


@pytest.fixture
def dataset() -> TeacherDataset:
    generator = torch.Generator().manual_seed(0)
    return TeacherDataset(LINES, Ragged.from_rows([torch.randn(T, 80, generator=generator) for T in (30, 41, 12)]))


@pytest.mark.parametrize("kind", [torch.int16, torch.float32])
@pytest.mark.parametrize("chunk", [1, 9000, 2**24])
def test_mels_in_chunks_are_those_of_each_wave_alone(monkeypatch: pytest.MonkeyPatch, kind: torch.dtype,
                                                     chunk: int) -> None:
    monkeypatch.setattr(data, "CHUNK_SAMPLES", chunk)
    waves = [(torch.rand(S, generator=torch.Generator().manual_seed(S)) - 0.5) for S in (3000, 513, 4096, 1024)]
    if kind == torch.int16:
        waves = [(wave * 20000).to(torch.int16) for wave in waves]
    mels = mels_from_waves(Ragged.from_rows(waves), "cpu")
    assert mels.lengths.tolist() == [12, 3, 17, 5]
    for row, wave in enumerate(waves):
        alone = mel_spectrogram((wave / 32768 if kind == torch.int16 else wave)[None])[0].t()
        torch.testing.assert_close(mels.row(row), alone, rtol=0, atol=1e-4)


def test_wave_too_short_for_a_mel_is_named() -> None:
    with pytest.raises(UserError, match="recording 2 of 2: 512 samples, expected at least 513"):
        mels_from_waves(Ragged.from_rows([torch.zeros(600), torch.zeros(512)]), "cpu")


def test_rows_wholly_in_letters_or_phonemes(dataset: TeacherDataset) -> None:
    rng = random.Random(0)
    assert sequence_to_text(dataset.read_row(0, 0.0, rng)) == "author of the trail."
    assert sequence_to_text(dataset.read_row(0, 1.0, rng)) == "{AO1 TH ER0} {AH0 V} {DH AH0} {T R EY1 L}."
    assert "{" in sequence_to_text(dataset.read_row(2, 1.0, rng))
    assert sequence_to_text(dataset.read_row(2, 0.0, rng)) == "the trail."


def test_mixed_rows_are_seeded_and_bounded(dataset: TeacherDataset) -> None:
    readings = [[dataset.read_row(0, 0.5, rng) for _ in range(300)] for rng in (random.Random(3), random.Random(3))]
    assert readings[0] == readings[1]
    texts = [sequence_to_text(ids) for ids in readings[0]]
    assert len(set(texts)) == 16  # every mix of four words
    words = sum(text.count("{") for text in texts) / (4 * 300)
    assert 0.4 < words < 0.6
    assert all(0.13 < texts.count(pure) / 300 < 0.27 for pure in (max(texts, key=lambda t: t.count("{")),
                                                                  "author of the trail."))  # 1/5 for a uniform share
    assert max(map(len, readings[0])) <= dataset.id_bounds[0]


def test_mix_longer_than_its_bound_gives_way_to_letters() -> None:
    """9 symbols in letters, 7 in phonemes, but 11 as `through {EH1 K S}`."""
    dataset = TeacherDataset([Line("x", "through x", "{TH R UW1} {EH1 K S}")], Ragged.from_rows([torch.zeros(9, 80)]))
    assert dataset.id_bounds == [9]
    rng = random.Random(0)
    assert {len(dataset.read_row(0, 0.5, rng)) for _ in range(100)} == {9, 7, 5}


def test_a_line_that_cannot_be_spoken_is_named() -> None:
    with pytest.raises(UserError, match="line smile: "):
        TeacherDataset([Line("smile", "\N{GRINNING FACE}", None)], Ragged.from_rows([torch.zeros(4, 80)]))


def test_collate_pads_to_the_bucket(dataset: TeacherDataset) -> None:
    batch = dataset.collate([1, 0], frames=48, symbols=32, phoneme_share=1.0, rng=random.Random(0))
    assert batch.names == ["b", "a"] and batch.ids.shape == (2, 32) and batch.mel.shape == (2, 80, 48)
    assert batch.mel_lengths.tolist() == [41, 30] and batch.ids.dtype == batch.id_lengths.dtype == torch.int64
    assert torch.equal(batch.mel[1, :, :30], dataset.mels.row(0).t()) and not batch.mel[1, :, 30:].any()
    for row, line in enumerate((1, 0)):
        N = int(batch.id_lengths[row])
        assert batch.ids[row, :N].tolist() == dataset.read_row(line, 1.0, random.Random(0))
        assert not batch.ids[row, N:].any()


def test_a_batch_trains_the_network(dataset: TeacherDataset) -> None:
    torch.manual_seed(0)
    dataset.mels.flat.mul_(0.1).sub_(4)  # something that can be learned
    config = Tacotron2Config(embedding_dim=16, encoder_dim=16, prenet_dim=16, attention_rnn_dim=32, decoder_rnn_dim=32,
                             attention_dim=8, location_n_filters=4, location_kernel_size=5, postnet_dim=16)
    model = Tacotron2(config).train()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    found = []
    for step in range(12):
        batch = dataset.collate([0, 1, 2], 48, 32, 0.5, random.Random(step))
        loss = total(losses(model(batch.ids, batch.id_lengths, batch.mel, batch.mel_lengths), batch.mel))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(float(loss.detach()))
    assert found[-1] < 0.6 * found[0]
