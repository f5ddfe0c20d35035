"""A user's lexicon: what it decides, and one line for each mistake."""
import pytest

from hparams import TextConfig, UserError
from text import Lexicon, read, read_lexicon, sequence_to_text
from text.plan import make_plan

LEXICON = Lexicon({"nguyen": "W IH1 N", "US": "Y UW1 EH1 S", "St. Ives": "S AH0 N T AY1 V Z", "sql": "S IY1 K W AH0 L"})


def said(text: str, lexicon: Lexicon | None = LEXICON) -> str:
    return sequence_to_text(read(text, TextConfig(), lexicon).ids)


def test_words_of_the_lexicon_go_before_all_rules():
    assert said("Nguyen met NGUYEN's son.").startswith("{W IH1 N} {M EH1 T} {W IH1 N Z}")
    assert said("SQL, sql") == "{S IY1 K W AH0 L}, {S IY1 K W AH0 L}"
    assert said("in St. Ives now") == "{IH0 N} {S AH0 N T AY1 V Z} {N AW1}"
    assert said("nguyens mysql") == said("nguyens mysql", None)  # whole words alone


def test_a_word_with_capitals_is_only_what_is_written_so():
    assert said("the US") == "{DH AH0} {Y UW1 EH1 S}" and said("us") == "{AH2 S}"


@pytest.mark.parametrize("word, written", [("μm", "µm"), ("ς", "σ"), ("us", "uſ"), ("ini", "İNI")])
def test_letters_that_differ_from_their_small_form_alone_match_too(word, written):
    assert Lexicon({word: "W IH1 N"}).match(f"a {written}'s", 2) == ("{W IH1 N Z}", 4 + len(written))
    assert "{W IH1 N}" in said("the μm scale", Lexicon({"μm": "W IH1 N"}))


def test_letters_mode_and_plans_use_it_too():
    ids = read("Nguyen", TextConfig(phonemes=False), LEXICON).ids
    assert sequence_to_text(ids) == "{W IH1 N}"
    reading, = make_plan("Nguyen came.", TextConfig(), 0.3, LEXICON).readings
    assert sequence_to_text(reading.ids).startswith("{W IH1 N} ") and reading.words[0].text == "Nguyen"
    assert said("Xyzzyx", Lexicon({})) == said("xyzzyx", None)


def test_files(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("\ufeff# names\n\nnguyen  W IH1 N\nSt. Ives\tS AH0 N T AY1 V Z\r\ncafe K AE0 F EY1\nxu  {SH UW1}\n",
                    encoding="utf-8")
    assert read_lexicon(path).entries == {
        "nguyen": "W IH1 N", "St. Ives": "S AH0 N T AY1 V Z", "cafe": "K AE0 F EY1", "xu": "SH UW1"}


@pytest.mark.parametrize("content, message", [
    ("ok  OW1 K EY1\nword\n", "line 2: found 'word', expected a word, two spaces and its phonemes"),
    ("a1  QQ EY1", "line 1: found 'QQ', expected ARPAbet phonemes"), ("a1  eh1 n", "line 1: found 'eh1'"),
    ("ab  EY1\nab  B IY1", "line 2: 'ab' came before"), ("-ab  EY1", "line 1: found the word '-ab', expected")])
def test_mistakes_are_named_by_file_and_line(tmp_path, content, message):
    path = tmp_path / "words.txt"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError) as error:
        read_lexicon(path)
    assert message in str(error.value) and "words.txt" in str(error.value) and "\n" not in str(error.value)


def test_missing_and_binary_files_and_wrong_entries(tmp_path):
    with pytest.raises(UserError, match="none.txt: cannot be read .No such file"):
        read_lexicon(tmp_path / "none.txt")
    (tmp_path / "binary.txt").write_bytes(b"a\xff")
    with pytest.raises(UserError, match="not UTF-8"):
        read_lexicon(tmp_path / "binary.txt")
    with pytest.raises(UserError, match="lexicon, 'a': found 'XX'"):
        Lexicon({"a": "XX"})
