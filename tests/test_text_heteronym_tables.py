"""The tables of heteronyms."""
import re
import subprocess
import sys

from text.heteronyms import choose, readings
from text.phonemes import is_arpabet, pronounce


def test_readings_are_words_with_phonemes_and_the_first_is_the_default():
    table = readings()
    assert len(table) > 200 and all(re.fullmatch("[a-z]+", word) for word in table)
    for word, options in table.items():
        assert all(is_arpabet(option.phonemes) and option.classes for option in options), word
        assert len({option.phonemes for option in options}) == len(options), word
        assert pronounce(word) is None and choose([word], [""], 0) is not None
    assert choose(["bass"], [""], 0) == "B EY1 S" and choose(["printing"], [""], 0) is None


def test_the_tables_are_read_when_a_heteronym_occurs():
    code = ("from hparams import TextConfig\nfrom text import read\nfrom text import heteronyms\n"
            "read('The cat sat on the mat.', TextConfig())\nassert not heteronyms._contexts.cache_info().currsize\n"
            "read('I read it.', TextConfig())\nassert heteronyms._contexts.cache_info().currsize == 1\n")
    subprocess.run([sys.executable, "-c", code], check=True)
