"""Symbols, NVIDIA's cleaners against the golden cases, ids and back, numbers in words."""
import json
import random
import subprocess
import sys
from pathlib import Path

import inflect
import pytest

from hparams import TextConfig, UserError
from text import read, sequence_to_text, symbols, text_to_sequence
from text.cleaners import basic_cleaners, english_cleaners, transliteration_cleaners
from text.numbers import cardinal, ordinal, year

GOLDEN = json.loads((Path(__file__).parent / "golden" / "text.json").read_text(encoding="utf-8"))


def test_symbols_are_the_published_table():
    assert symbols == GOLDEN["symbols"]


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["text"][:20])
def test_english_cleaners_as_the_teacher_was_fed(case):
    assert english_cleaners(case["text"]) == case["cleaned"]
    assert text_to_sequence(case["text"], "english_cleaners") == case["ids"]


def test_read_with_nvidias_cleaners_gives_the_same_ids():
    for case in GOLDEN["cases"]:
        if any(character.isalnum() for character in case["text"]):
            assert read(case["text"], TextConfig("english_cleaners", phonemes=False)).ids == case["ids"]


def test_other_cleaners():
    assert basic_cleaners("Ab\t C\u00c9") == "ab c\u00e9"
    assert transliteration_cleaners("Stra\u00dfe 5") == "strasse 5"


def test_sequence_to_text_joins_phonemes_and_skips_padding():
    ids = text_to_sequence("Read {R EH1 D} it.", "basic_cleaners")
    assert sequence_to_text([*ids, 0, 0]) == "read {R EH1 D} it."


def test_cleaners_may_be_a_list_of_names():
    for text in ("Dr. A {R EH1 D} £5", "Stra\u00dfe"):
        assert text_to_sequence(text, ["english_cleaners"]) == text_to_sequence(text, "english_cleaners")
    both = ["transliteration_cleaners", "basic_cleaners"]
    assert text_to_sequence("Stra\u00dfe {R EH1 D}", both) == text_to_sequence("strasse {R EH1 D}", "basic_cleaners")
    assert text_to_sequence("2 kg", ["english_reader", "basic_cleaners"]) == text_to_sequence("2 kg", "english_reader")
    with pytest.raises(UserError, match="found 'nope'"):
        text_to_sequence("a", ["basic_cleaners", "nope"])


def test_inflect_is_imported_at_the_first_figure_of_a_published_cleaner():
    code = ("import sys\nfrom text import read, text_to_sequence\nfrom hparams import TextConfig\n"
            "read('At 5 p.m. on 3 May 1999', TextConfig())\ntext_to_sequence('no figure', 'english_cleaners')\n"
            "assert 'inflect' not in sys.modules\n"
            "text_to_sequence('5', 'english_cleaners')\nassert 'inflect' in sys.modules\n")
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_cleaners_are_named():
    with pytest.raises(UserError, match="no_cleaners.*english_reader"):
        text_to_sequence("hello", "no_cleaners")


def test_numbers_are_those_of_inflect():
    engine, rng = inflect.engine(), random.Random(0)
    numbers = [0, 7, 100, 101, 1000, 1001, 10**6, 10**6 + 1, 10**9 + 1000, 10**35]
    for number in numbers + [rng.randrange(10 ** rng.randint(1, 36)) for _ in range(200)]:
        assert cardinal(str(number), comma=",") == engine.number_to_words(number, andword=""), number
        assert ordinal(str(number), comma=",", and_word=" and") == engine.number_to_words(f"{number}th"), number


def test_numbers_have_no_end():
    assert cardinal("9" * 5000).split() == ["nine"] * 5000
    assert english_cleaners("$" + "1" * 5000).endswith("one dollars")


def test_years():
    assert [year(digits) for digits in ("1876", "1905", "1900", "2000", "2024", "44")] == [
        "eighteen seventy-six", "nineteen oh five", "nineteen hundred", "two thousand", "twenty twenty-four",
        "forty-four"]
