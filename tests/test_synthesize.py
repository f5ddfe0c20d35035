"""The class Synthesizer, with tiny random models."""
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

import waveglow
from hparams import AudioConfig, TextConfig, UserError, WaveGlowConfig
from lightspeech import ProsodyPrediction
from synthesis import mel_predictor, synthesizer, vocoder_runner
from synthesis.limiter import limit
from synthesis.onnx_voice import OnnxVocoder
from synthesis.torch_vocoder import GriffinLim, TorchVocoder
from synthesis.vocoder_runner import FADE_SAMPLES, FIRST_CHUNK, TAIL_FRAMES, VocoderRunner
from synthesize import Synthesizer
from text import sequence_to_text
from text.plan import make_plan

ROOT = Path(__file__).resolve().parent.parent
HOP, RATE = 256, 22050


@pytest.fixture(scope="module")
def speaker(student, vocoder) -> Synthesizer:
    return Synthesizer(student, vocoder_weights=vocoder, device="cpu")


@pytest.fixture
def steady(speaker, monkeypatch) -> Synthesizer:
    """A speaker whose vocoder makes 1 of every sample, so that only what synthesize.py does shapes the wave."""
    monkeypatch.setattr(speaker.vocoder.vocoder, "start", lambda mels, frames, *rest: [
        np.ones(length * HOP, np.float32) for length in frames])
    monkeypatch.setattr(speaker.vocoder.vocoder, "wait", lambda waves: (waves, True))
    return speaker


def frames_of(speaker: Synthesizer, text: str, speed: float = 1.0) -> int:
    pieces = speaker.mel_predictor.predict(make_plan(text, TextConfig(), 0.3).readings, speed)
    return sum(piece.mel.shape[1] for piece in pieces)


# The plan of a text


def silences(text: str) -> list[float]:
    return make_plan(text, TextConfig(), 0.25).silences


def test_pauses_and_marks():
    assert silences("One.") == [0, 0]
    assert silences("One. Two.") == [0, 0.25, 0]
    assert silences("One. Two. [pause 2s] Three.") == [0, 0.25, 2, 0]
    assert silences("[pause 500ms] One [pause 1.5s][PAUSE .5 s] two [ pause 0ms ]") == [0.5, 2, 0]
    assert silences("One. [pause 0s] Two.") == [0, 0, 0]
    assert silences("One [pause 1s]. [pause 1s] \U0001f600 Two.") == [0, 2, 0]
    assert silences("One. Two. [pause 300ms]") == [0, 0.25, 0.3]


def test_words_and_dropped_of_all_pieces():
    plan = make_plan("Tea \u2603 costs £2. [pause 1s] \U0001f600! Good\u2603 bye.", TextConfig(), 0.25)
    assert [word.text for reading in plan.readings for word in reading.words][:2] == ["Tea", "costs"]
    assert len(plan.readings) == 2 and plan.dropped == "\u2603\U0001f600"
    assert make_plan("Hi \udcff there", TextConfig(), 0.25).dropped == "\ufffd"


def test_every_piece_ends_in_a_mark():
    """A single letter without a full stop was all but inaudible."""
    for bare in ("A", "Hello there", "Hi, a", "It is [pause 1s] so", "{R EH1 D}", "Dr", "A title\n\nA text"):
        pieces = make_plan(bare, TextConfig(), 0.25).readings
        assert all(sequence_to_text(piece.ids).endswith(".") and piece.pauses[-1] for piece in pieces), bare
        assert all(len(piece.ids) == len(piece.pauses) for piece in pieces)
    assert make_plan("A", TextConfig(), 0.25) == make_plan("A.", TextConfig(), 0.25)
    for marked in ("Why?", "Look!", "so:", "and,", "(Yes!)", '"Why?"'):
        (piece,) = make_plan(marked, TextConfig(), 0.25).readings
        assert "." not in sequence_to_text(piece.ids), marked


@pytest.mark.parametrize("text, told", [
    ("", "the text is empty"), ("  \n ", "the text is empty"), ("[pause 1s]", "the text is empty"),
    ("\U0001f600 \U0001f680", "nothing to say"), ("\x00\x07\x1b", "nothing to say"), ("... --- !", "nothing to say"),
    ("A [pause] b", "[pause]: expected a length like 500ms or 1.5s"),
    ("A [pause 5] b", "[pause 5]: expected a length"), ("A [pause -1s] b", "[pause -1s]: expected a length"),
    ("A [pause 601s] b", "at most 600s"), ("A [pause 1e9s] b", "expected a length")])
def test_nothing_to_say_and_bad_marks(text, told):
    with pytest.raises(UserError) as caught:
        make_plan(text, TextConfig(), 0.25)
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_very_long_sentences_are_cut_and_follow_without_a_pause():
    plan = make_plan(("word and more, " * 40).strip(", ") + ". Next.", TextConfig(), 0.25)
    assert len(plan.readings) >= 3 and plan.silences == [0.0] * (len(plan.readings) - 1) + [0.25, 0.0]
    assert max(len(reading.ids) for reading in make_plan("a" * 100_000, TextConfig(), 0.25).readings) < 5000


# The wave


def test_length_is_frames_and_pauses_exactly(steady):
    frames = frames_of(steady, "Hello there.")
    assert len(steady.speak("Hello there.").wave) == (frames + TAIL_FRAMES) * HOP
    both = frames + frames_of(steady, "Good bye.")
    for pause in (0.0, 0.1, 0.777):
        speech = steady.speak("Hello there. Good bye.", pause=pause)
        assert len(speech.wave) == (both + 2 * TAIL_FRAMES) * HOP + round(pause * RATE)
        start = (frames + TAIL_FRAMES) * HOP
        assert not speech.wave[start:start + round(pause * RATE)].any()
        assert speech.mel.shape == (80, -(-len(speech.wave) // HOP))


def test_mark_is_silence_of_its_length(steady):
    speech = steady.speak("[pause 1s] Hello there [pause 500ms] you.")
    start = RATE + (frames_of(steady, "Hello there") + TAIL_FRAMES) * HOP
    assert not speech.wave[:RATE].any() and not speech.wave[start:start + RATE // 2].any()
    assert speech.wave[RATE + 2] > 0 and speech.wave[start - 2] > 0 and speech.wave[start + RATE // 2 + 2] > 0


def test_joins_do_not_click_and_tails_are_whole(steady):
    speech = steady.speak("Hello there. Good bye.", pause=0.0)
    assert np.abs(np.diff(speech.wave)).max() <= 1.01 / (FADE_SAMPLES - 1)
    frames = frames_of(steady, "Hello there.")
    assert (speech.wave[FADE_SAMPLES:frames * HOP] == 1).all()  # nothing of the speech is faded at its end


def test_loud_speech_is_limited_whole_and_in_chunks(speaker, monkeypatch):
    network = speaker.vocoder.vocoder.fast
    soft, infer = speaker.speak("Hello there, you."), network.infer
    gain = 4 / np.abs(soft.wave).max()
    monkeypatch.setattr(network, "infer", lambda *args, **settings: gain * infer(*args, **settings))
    loud = speaker.speak("Hello there, you.").wave
    middle = slice(FADE_SAMPLES, -FADE_SAMPLES)
    assert 0.95 < np.abs(loud).max() <= 1
    np.testing.assert_allclose(loud[middle], limit(gain * soft.wave)[middle], atol=1e-5)
    np.testing.assert_allclose(np.concatenate(list(speaker.stream("Hello there, you.").chunks)), loud, atol=1e-4)
    assert np.abs(speaker.speak("Hello there, you.", denoise=0.1).wave).max() <= 1


@pytest.mark.parametrize("kind", [OnnxVocoder, GriffinLim])
def test_vocoders_limit_their_waves(kind):
    loud = np.linspace(-3, 3, 601, dtype=np.float32)
    (wave,), are_finite = kind.wait(object.__new__(kind), loud[None])
    assert are_finite and (wave == limit(loud)).all()
    assert not kind.wait(object.__new__(kind), np.full((1, 3), np.inf, np.float32))[1]


@pytest.mark.parametrize("speed", [0.25, 0.8, 1.3, 4.0])
def test_speed_is_exact_and_leaves_pauses_alone(speaker, speed):
    (reading,) = make_plan("Hello, you there.", TextConfig(), 0.0).readings
    usual, changed = (speaker.mel_predictor.predict([reading], s)[0].durations for s in (1.0, speed))
    pauses = np.array(reading.pauses)
    assert pauses.sum() >= 3 and (usual[pauses] == changed[pauses]).all()
    assert changed[~pauses].sum() == round(usual[~pauses].sum() / speed)
    spoken = speaker.speak("Hello, you there.", speed=speed)
    assert len(spoken.wave) == (changed.sum() + TAIL_FRAMES) * HOP


def test_words_are_where_their_frames_are(speaker):
    text = "[pause 2s] It costs £20. Dr. Brown paid."
    speech = speaker.speak(text, pause=0.5)
    plan = make_plan(text, TextConfig(), 0.5)
    first, second = speaker.mel_predictor.predict(plan.readings, 1.0)
    assert [word.text for word in speech.words][:3] == ["It", "costs", "£20"]
    assert speech.words[0].start == 2.0
    start = 2.0 + (first.mel.shape[1] + TAIL_FRAMES) * HOP / RATE + 0.5
    count = len(plan.readings[0].words)
    assert speech.words[count].start == pytest.approx(start, abs=1e-4)
    times = [time for word in speech.words for time in word[1:]]
    assert times == sorted(times) and times[-1] <= len(speech.wave) / RATE
    word = plan.readings[1].words[1]
    end = start + second.durations[:word.stop].sum() * HOP / RATE
    assert speech.words[count + 1].end == pytest.approx(end, abs=1e-4)
    frame = round(speech.words[count].start * RATE / HOP)
    assert (speech.mel[:, frame:frame + 9] == second.mel[:, :9]).all()


def test_speech_can_be_sent_to_another_process(speaker):
    speech = speaker.speak("Hello, you there.")
    copy = pickle.loads(pickle.dumps(speech))
    assert (copy.wave == speech.wave).all() and (copy.mel == speech.mel).all() and copy.words == speech.words


def test_seed_decides(speaker):
    waves = [speaker.speak("Hello. You.", seed=seed).wave for seed in (3, 3, 4)]
    assert (waves[0] == waves[1]).all() and not (waves[0] == waves[2]).all()
    assert waves[0].dtype == np.float32 and np.abs(waves[0]).max() <= 1


def test_batches_do_not_matter(speaker, monkeypatch):
    text = "Hello. You are there, are you not. Yes. No, never."
    monkeypatch.setattr(speaker.vocoder.vocoder, "frames_per_batch", 10**6)
    together = speaker.speak(text).wave
    monkeypatch.setattr(mel_predictor, "SYMBOLS_PER_BATCH", {"cpu": 1})
    monkeypatch.setattr(speaker.vocoder.vocoder, "frames_per_batch", 1)
    np.testing.assert_allclose(speaker.speak(text).wave, together, atol=2e-3)


@pytest.mark.parametrize("settings", [{}, {"speed": 0.8, "pause": 0.5, "sigma": 0.4, "seed": 3, "denoise": 0.1}])
def test_a_stream_is_the_wave_in_chunks(speaker, monkeypatch, settings):
    text = "[pause 100ms] Hello. You are there, are you not, for a long time now? Yes \u2603. No, never. [pause 1s]"
    whole = speaker.speak(text, **settings)
    monkeypatch.setattr(vocoder_runner, "FIRST_CHUNK", 4)
    monkeypatch.setattr(speaker.vocoder.vocoder, "margin", 12)  # what can reach a sample of the tiny vocoder
    monkeypatch.setattr(synthesizer, "GPU_PIECES_PER_CHUNK", 3)
    for on_gpu in (False, True):
        monkeypatch.setattr(speaker, "on_gpu", on_gpu)
        stream = speaker.stream(text, **settings)
        chunks = list(stream.chunks)
        assert stream.dropped == whole.dropped == "\u2603"
        assert len(chunks[0]) == 2205 and len(chunks[1]) == 4 * HOP and len(chunks[2]) == 8 * HOP
        np.testing.assert_allclose(np.concatenate(chunks), whole.wave, atol=2e-3)


def test_shipped_vocoder_does_not_depend_on_frames_beyond_the_margin():
    speaker = Synthesizer(device="cpu")
    frames = 2 * FIRST_CHUNK + 9
    mel = torch.randn(80, frames, generator=torch.Generator().manual_seed(0)) - 4
    parts = list(speaker.vocoder.stream(mel, 1, None, 0.0))
    (_, whole), = speaker.vocoder.synthesize([mel], [1], None, 0.0)
    assert [len(part) // HOP for part in parts] == [FIRST_CHUNK, frames + TAIL_FRAMES - FIRST_CHUNK]
    assert np.abs(np.concatenate(parts) - whole).max() < 0.5 / 32768


@pytest.mark.parametrize("config", [
    WaveGlowConfig(squeeze="mdct", n_flows=2, n_blocks=2, block_channels=16, block_hidden=32, flow_channels=8),
    WaveGlowConfig(n_flows=2, n_early_every=2, n_layers=2, n_channels=8)], ids=["mel rate", "published"])
def test_both_kinds_of_vocoder_give_the_same_wave_whole_batched_and_in_chunks(config, monkeypatch):
    torch.manual_seed(0)
    runner = VocoderRunner(TorchVocoder(waveglow.build(config).eval(), AudioConfig()), AudioConfig())
    monkeypatch.setattr(vocoder_runner, "FIRST_CHUNK", 16)
    mels = [torch.randn(80, frames) - 5 for frames in (120, 31)]
    chunks = [np.concatenate(list(runner.stream(mel, seed, None, 0.0))) for seed, mel in enumerate(mels)]
    for budget in (1, 1000):
        monkeypatch.setattr(runner.vocoder, "frames_per_batch", budget)
        for row, wave in runner.synthesize(mels, [0, 1], None, 0.0):
            assert len(wave) == (mels[row].shape[1] + TAIL_FRAMES) * HOP and wave.std() > 0.001
            np.testing.assert_allclose(chunks[row], wave, atol=1e-4 * np.abs(wave).max())


def test_a_stream_refuses_before_it_begins(speaker):
    for text, settings in (("", {}), ("Hi. [pause]", {}), ("Hi.", {"speed": 9})):
        with pytest.raises(UserError):
            speaker.stream(text, **settings)


def test_weights_that_say_nothing_finite(speaker, monkeypatch):
    monkeypatch.setattr(speaker.vocoder.vocoder, "wait", lambda waves: ([np.zeros(99 * HOP, np.float32)], False))
    for speak in (speaker.speak, lambda text: list(speaker.stream(text).chunks)):
        with pytest.raises(UserError, match="not finite"):
            speak("Hello.")


def test_sigma_and_denoise(speaker):
    usual = speaker.speak("Hello.").wave
    assert not np.allclose(usual, speaker.speak("Hello.", sigma=0.3).wave)
    assert not np.allclose(usual, speaker.speak("Hello.", denoise=0.1).wave)
    assert (usual == speaker.speak("Hello.", denoise=0.0).wave).all()


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no GPU")])])
def test_speech_is_whole_and_stays_as_it_is(student, vocoder, device):
    speaker = Synthesizer(student, vocoder_weights=vocoder, device=device)
    text, speeches = "One, two. Three, four, five. Six!", []
    for _ in range(4):  # on a GPU it is recorded from the second on
        speeches.append(speaker.speak(text))
        before = [part.copy() for part in (speeches[0].wave, speeches[0].mel)]
        speaker.speak("Something else in between.")
        assert all((part == kept).all() for part, kept in zip((speeches[0].wave, speeches[0].mel), before))
    alone = np.concatenate(list(speaker.stream(text).chunks))
    for speech in speeches:  # nothing was read before it was there
        np.testing.assert_allclose(speech.wave, alone, atol=2e-2 * np.abs(alone).max())
        np.testing.assert_allclose(speech.mel, speeches[0].mel, atol=1e-3)


def test_hundred_thousand_characters(steady, monkeypatch):
    sizes = []
    vocoder = steady.vocoder.vocoder
    monkeypatch.setattr(vocoder, "frames_per_batch", 2000)
    monkeypatch.setattr(vocoder, "start", lambda mels, *rest: sizes.append(
        (len(mels), max(mel.shape[1] for mel in mels))) or [np.zeros(mel.shape[1] * HOP, np.float32) for mel in mels])
    text = ("A quick brown fox, " * 3 + "jumps. ") * 1500
    text = text[:100_000]
    monkeypatch.setattr(steady.mel_predictor.fast, "predict_prosody", lambda features, lengths: ProsodyPrediction(
        torch.zeros(features.shape[:2]), torch.full((*features.shape[:2], 2), 5.0)))
    speech = steady.speak(text)
    assert len(speech.words) > 15_000 and len(speech.wave) > 30_000 * HOP
    assert max(rows * frames for rows, frames in sizes) <= 2000 and len(sizes) < 100


@pytest.mark.parametrize("name, value", [("speed", 0.2), ("speed", 4.1), ("speed", float("nan")), ("pause", -1.0),
                                         ("sigma", -0.1), ("denoise", 2.0)])
def test_values_out_of_range(speaker, name, value):
    with pytest.raises(UserError, match=f"{name}: found .*, expected"):
        speaker.speak("Hello.", **{name: value})
