"""The tables of heteronyms."""
import re
import subprocess
import sys

from text.heteronyms import choose, decide, readings, rules
from text.phonemes import is_arpabet, pronounce
from text.word_classes import contexts


def test_readings_are_words_with_phonemes_and_the_first_is_the_default():
    table = readings()
    assert len(table) > 200 and all(re.fullmatch("[a-z]+", word) for word in table)
    for word, options in table.items():
        assert all(is_arpabet(option.phonemes) and option.classes for option in options), word
        assert len({option.phonemes for option in options}) == len(options), word
        assert pronounce(word) is None and choose([word], [""], 0) is not None
    assert choose(["bass"], [""], 0) == "B EY1 S" and choose(["printing"], [""], 0) is None


def test_the_tables_are_read_when_a_heteronym_occurs():
    code = ("from hparams import TextConfig\nfrom text import read\nfrom text.word_classes import contexts\n"
            "read('The cat sat on the mat.', TextConfig())\nassert not contexts.cache_info().currsize\n"
            "read('I read it.', TextConfig())\nassert contexts.cache_info().currsize == 1\n")
    subprocess.run([sys.executable, "-c", code], check=True)


def test_rules_of_single_words_have_names_phonemes_and_known_places():
    names = {name for classes in contexts().classes_of_word.values() for name in classes} | set(
        contexts().classes_of_ending.values()) | {"other"}
    for word, of_word in rules().items():
        assert len({rule.name for rule in of_word}) == len(of_word)
        for rule in of_word:
            assert rule.phonemes in {option.phonemes for option in readings()[word]}, (word, rule.name)
            for condition in rule.conditions:
                assert re.fullmatch(r"previous|next|before that|(before|after) \d", condition.place), (word, rule.name)
                assert condition.classes <= names and condition.members, (word, rule.name)


def test_a_choice_says_why():
    def reason(text: str, word: str) -> str:
        words = text.split()
        return decide(words, [""] * len(words), words.index(word)).reason

    assert reason("get the lead out", "lead") == "get the lead out"
    assert reason("they record it", "record") == "verb"
    assert reason("it was read", "read") == "tense"
    assert reason("a number of us", "number") == "a number of"
