"""Unknown words: the grapheme-to-phoneme network, its file, its training, and how its words are measured."""
import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments import g2p_words, measure_g2p, rare_words, train_g2p
from experiments.g2p_words import Words, closest, distance, read_words, stem
from hparams import TextConfig, UserError
from text import read, sequence_to_text
from text.__main__ import explain
from text.g2p import G2P, WEIGHTS, guess, load_g2p, save_g2p
from text.g2p_symbols import LETTERS, SLOTS
from text.phonemes import is_arpabet, look_up, sound_out

PHONEMES = ["AH0", "B", "EY1", "IY2"]
ROOT = Path(__file__).parents[1]


def said(text: str) -> str:
    return sequence_to_text(read(text, TextConfig()).ids)


def table_network(outputs: dict[str, list[int]]) -> G2P:
    """A network without layers, whose slots for a letter are the given classes."""
    classes = 1 + len(PHONEMES)
    weight = np.zeros((len(LETTERS), SLOTS * classes), np.float32)
    for letter, chosen in outputs.items():
        for slot, index in enumerate(chosen):
            weight[LETTERS.index(letter), slot * classes + index] = 1
    embedding = np.concatenate([np.zeros((1, len(LETTERS)), np.float32), np.eye(len(LETTERS), dtype=np.float32)])
    return G2P({"embedding": embedding, "output.weight": weight,
                "output.bias": np.zeros(SLOTS * classes, np.float32)}, PHONEMES)


def torch_network(monkeypatch, channels: int = 8) -> train_g2p.GatedConvolutions:
    monkeypatch.setattr(train_g2p, "CHANNELS", channels)
    monkeypatch.setattr(train_g2p, "KERNEL_SIZES", (3, 5))
    torch.manual_seed(0)
    return train_g2p.GatedConvolutions(len(PHONEMES))


def test_repeated_symbols_count_once_and_blanks_not_at_all():
    network = table_network({"a": [1, 0], "b": [2, 2], "e": [0, 3], "z": [0, 0]})
    assert network.pronounce("e") == "EY1" and network.pronounce("ee") == "EY1 EY1"
    assert network.pronounce("bbe") == "B EY1" and network.pronounce("bzbe") == "B B EY1"
    assert network.pronounce("babe") == "B AH0 B EY1"
    assert [network.pronounce(word) for word in ("z", "bb", "", "é", "Ab", "a" * 41)] == [None] * 6


def test_every_word_has_a_main_stress():
    network = table_network({"a": [1, 0], "b": [2, 2], "i": [4, 4]})
    assert network.pronounce("aba") == "AH1 B AH0" and network.pronounce("abi") == "AH0 B IY1"


def test_numpy_computes_what_was_trained_and_padding_changes_nothing(monkeypatch):
    model = torch_network(monkeypatch).eval()
    network = G2P({name: tensor.numpy() for name, tensor in model.tensors().items()}, PHONEMES)
    words = ["x", "it's", "zebra"]
    letters = torch.zeros(len(words), 5, dtype=torch.int64)
    for row, word in enumerate(words):
        letters[row, :len(word)] = torch.tensor([LETTERS.index(letter) + 1 for letter in word])
    with torch.no_grad():
        expected = model(letters).numpy()
    for row, word in enumerate(words):
        np.testing.assert_allclose(network.logits(word), expected[row, :SLOTS * len(word)], atol=1e-5)


@pytest.fixture
def released(monkeypatch, tmp_path) -> Path:
    """The file of a tiny network."""
    tensors = {name: tensor.numpy() for name, tensor in torch_network(monkeypatch).tensors().items()}
    save_g2p(tmp_path / "g2p.npz", tensors, PHONEMES, {"epochs": 1})
    return tmp_path / "g2p.npz"


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as error:
        load_g2p(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    return str(error.value)


def test_a_file_is_read_as_it_was_written(released, monkeypatch):
    expected = torch_network(monkeypatch).tensors()
    network = load_g2p(released)
    exact = G2P({name: tensor.half().float().numpy() for name, tensor in expected.items()}, PHONEMES)
    assert network.phonemes == PHONEMES
    np.testing.assert_array_equal(network.logits("zebra"), exact.logits("zebra"))


def test_damaged_and_missing_files_are_refused(released, tmp_path):
    content = released.read_bytes()
    start = content.index(b"NUMPY")
    for position in range(start, start + 1500, 100):
        released.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1:])
        assert "damaged" in refusal(released)
    for damaged in (content[:-1], content[:1000], b"", b"x" * 1000):
        released.write_bytes(damaged)
        assert "damaged" in refusal(released)
    assert "no such file" in refusal(tmp_path / "none.npz")


def test_compressed_files_and_other_arrays_are_refused(released):
    with np.load(released) as archive:
        content = {name: archive[name] for name in archive.files}
    with open(released, "wb") as file:
        np.savez_compressed(file, **content)
    assert "(compressed)" in refusal(released)
    for name in ("0.weight", "embedding", "output.bias", "1.bias"):
        for changed in (content[name].astype(np.float32), content[name][:-1], np.float16(0)):
            with open(released, "wb") as file:
                np.savez(file, **{**content, name: changed})
            assert "made for another network" in refusal(released)


@pytest.mark.parametrize("change, message", [
    ({"model": "lightspeech"}, "found lightspeech of format 1"), ({"format": 2}, "of format 2, expected g2p of format"),
    ({"letters": "abc"}, "made for another network"), ({"slots": 3}, "made for another network"),
    ({"phonemes": ["AH0", "B", "EY1", "XX"]}, "its phonemes are not"), ({"phonemes": None}, "its phonemes are not"),
    ({"phonemes": ["AH0", "B"]}, "made for another network")])
def test_files_of_another_kind_are_refused(released, monkeypatch, change, message):
    with np.load(released) as archive:
        content = {name: archive[name] for name in archive.files}
    about = json.loads(content["about"].tobytes()) | change
    content["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    with open(released, "wb") as file:
        np.savez(file, **content)
    assert message in refusal(released)


def test_the_network_that_ships_knows_held_out_words():
    held_out = dict(list(read_words().held_out.items())[::30])
    found = {word: (guess(word) or "").split() for word in held_out}
    rates = measure_g2p.error_rates(found, held_out)
    assert len(held_out) > 150 and rates["phonemes wrong"] < 0.13 and rates["phonemes wrong, without stress"] < 0.1
    assert WEIGHTS.stat().st_size < 2e6


def test_unknown_words_are_sounded_out_and_known_parts_kept():
    assert look_up(["zelensky"], [""], 0) is None
    assert said("Zelensky read it.") == "{" + guess("zelensky") + "} {R EH1 D} {IH0 T}."
    assert sound_out("zelensky's") == guess("zelensky") + " Z"
    assert sound_out("rifle-zelensky") == "R AY1 F AH0 L " + guess("zelensky")
    assert said("Macron's 'zelensky'") == "{" + guess("macron") + " Z}, {" + guess("zelensky") + "}"
    assert sequence_to_text(read("Zelensky", TextConfig(phonemes=False)).ids) == "zelensky"
    assert said("the Okapi") == "{DH IY0} {" + guess("okapi") + "}" and said("the Zelensky").startswith("{DH AH0}")


def test_published_cleaners_leave_unknown_words_in_letters():
    assert sequence_to_text(read("Zelensky", TextConfig("english_cleaners")).ids) == "zelensky"


def test_the_network_is_loaded_for_unknown_words_only_and_without_torch():
    code = ("import sys; from hparams import TextConfig; from text import read; read('I read.', TextConfig()); "
            "before = 'text.g2p' in sys.modules; read('Zelensky.', TextConfig()); "
            "print(before, 'text.g2p' in sys.modules, 'torch' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "False"]


def test_explanation_names_unknown_words():
    lines = explain("Zelensky met the rifle-Macron.")
    assert lines[0].endswith("  word (unknown: zelensky)") and lines[1].endswith("  word")
    assert lines[3].endswith("word (unknown: macron)") and guess("zelensky") in lines[4]


def test_forms_of_a_stem_are_on_the_same_side():
    words = read_words()
    assert not words.training.keys() & words.held_out.keys()
    assert 0.04 < len(words.held_out) / (len(words.training) + len(words.held_out)) < 0.06
    for forms in (["run", "runs", "runner", "running", "runner's"], ["smith", "smiths", "smith's"],
                  ["carry", "carries", "carried"]):
        assert len({stem(form) for form in forms}) == 1
        assert len({form in words.held_out for form in forms}) == 1
    assert words.training["read"] + words.held_out.get("read", []) == [["R", "EH1", "D"], ["R", "IY1", "D"]]


def test_distances():
    assert distance("kitten", "sitting") == 3 and distance([], ["a", "b"]) == 2 and distance("ab", "ab") == 0
    assert closest(["R", "IY1", "D"], [["R", "EH1", "D"], ["R", "IY1", "D", "Z"]]) == (1, 3)
    rates = measure_g2p.error_rates({"a": ["AH1"], "b": ["B"]}, {"a": [["AH0"]], "b": [["B", "IY1"], ["P"]]})
    assert rates == {"phonemes wrong": 1.0, "words wrong": 1.0, "phonemes wrong, without stress": 0.5,
                     "words wrong, without stress": 0.5}


def test_a_stopped_training_continues_with_the_same_result(monkeypatch, tmp_path):
    torch_network(monkeypatch)
    words = dict(list(read_words().training.items())[:300])
    monkeypatch.setattr(train_g2p, "read_words", lambda: Words(words, {}))
    train_g2p.train(tmp_path / "whole", 3)
    monkeypatch.setattr(train_g2p, "save_g2p", lambda *_: pytest.fail("stopped"))
    with monkeypatch.context() as patch:
        patch.setattr(train_g2p, "print_result", stop_at_second_epoch)
        with pytest.raises(KeyboardInterrupt):
            train_g2p.train(tmp_path / "parts", 3)
    monkeypatch.setattr(train_g2p, "save_g2p", save_g2p)
    train_g2p.train(tmp_path / "parts", 3)
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "parts").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts", "whole"]


def stop_at_second_epoch(line: str) -> None:
    if line.startswith("epoch 2"):
        raise KeyboardInterrupt


def test_batches_hold_each_word_once():
    words = [f"w{number}" * (1 + number % 5) for number in range(300)]
    assert sorted(word for batch in train_g2p.batches(words, random.Random(0)) for word in batch) == sorted(words)


def test_training_lowers_the_loss(monkeypatch):
    network = torch_network(monkeypatch, channels=16)
    targets = {"ab": [1, 2], "ba": [2, 1], "bab": [2, 1, 2], "abe": [1, 2, 3]}
    optimizer = torch.optim.AdamW(network.parameters())
    losses = [train_g2p.train_epoch(network, optimizer, targets, epoch, 60) for epoch in range(60)]
    assert losses[-1] < 0.3 * losses[0]


def test_rare_words_are_unknown_and_stand_among_known_words():
    words = rare_words.read_rare_words()
    assert len(words) == len({word.name for word in words}) == 300
    for word in words:
        parts = rare_words.said_words(word)
        assert is_arpabet(word.phonemes) and parts.count(word.name) == 1, word
        assert [part for part in parts if look_up([part], [""], 0) is None] == [word.name]


def test_a_held_out_word_is_not_its_own_relative():
    found = measure_g2p.relatives({"cats": [], "cat": [], "zzyzx": [], "walking": []})
    assert found == {"cats": "K AE1 T S".split(), "walking": "W AO1 K IH0 NG".split()}


@pytest.mark.parametrize("heard, expected", [
    ("i saw zelinski on monday", "zelinski"), ("i saw the land ski on monday", "the land ski"),
    ("i saw on monday", ""), ("he saw zelinski monday", "zelinski"), ("", "")])
def test_what_is_heard_in_the_place_of_a_word(heard, expected):
    word = rare_words.RareWord("zelensky", "Z AH0 L EH1 N S K IY0", "I saw Zelensky on Monday.")
    assert rare_words.heard_word(word, heard) == expected


def test_errors_of_heard_words_are_counted_by_spelling_and_by_sound(monkeypatch, tmp_path):
    words = [rare_words.RareWord("zelensky", "S IY1", "I saw Zelensky."),
             rare_words.RareWord("okapi", "AY1", "An okapi.")]
    rows = [{"name": "zelensky", "said": "i saw zelensky", "heard": "i saw sea"},
            {"name": "okapi", "said": "an okapi", "heard": "an okapi"}]
    monkeypatch.setattr(rare_words, "sounds", lambda text: {"sea": ["S", "IY"], "okapi": ["OW", "IY"]}[text])
    (tmp_path / "x.json").write_text(json.dumps({"rows": rows}))
    figures = rare_words.count_errors(words, tmp_path / "x.json")
    assert figures["heard"] == {"zelensky": "sea", "okapi": "okapi"}
    assert figures["word error rate"] == pytest.approx(1 / 5)
    assert figures["rare words spelled otherwise"] == 0.5
    assert figures["letters of the rare word wrong"] == pytest.approx(distance("sea", "zelensky") / 13)
    assert figures["sounds of the rare word wrong"] == pytest.approx(2 / 3)
    assert figures["rare words with more than a third of the sounds wrong"] == 0.5


def test_the_ways_to_read_a_rare_word_differ(monkeypatch, tmp_path):
    class Silent:
        def __init__(self, device: str) -> None:
            assert device == "cpu"

        def speak(self, text: str, lexicon=None):
            spoken.append(sequence_to_text(read(text, TextConfig(), lexicon).ids))
            return type("Speech", (), {"wave": np.zeros(100, np.float32)})

    spoken: list[str] = []
    word = rare_words.RareWord("zelensky", "Z AH0 L EH1 N S K IY0", "Zelensky.")
    monkeypatch.setattr(rare_words, "Synthesizer", Silent)
    monkeypatch.setattr(rare_words, "read_rare_words", lambda: [word])
    for way in rare_words.WAYS:
        rare_words.speak_all(way, tmp_path / way)
        assert (tmp_path / way / "texts.txt").read_text() == "zelensky|Zelensky.\n"
        assert (tmp_path / way / "zelensky.wav").stat().st_size > 100
    assert spoken == ["zelensky.", "{" + guess("zelensky") + "}.", "{Z AH0 L EH1 N S K IY0}."]


def test_the_module_of_words_reads_the_package_that_speaks():
    assert g2p_words.read_words().training["zebra"][0] == look_up(["zebra"], [""], 0).split()
