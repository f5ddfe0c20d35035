"""english_reader says what a person would read."""
from pathlib import Path

import pytest

from hparams import TextConfig, UserError
from text import read, split_sentences, text_to_sequence
from text.cleaners import english_reader
from text.reader import speak

CASES = {
    "£20": "twenty pounds", "€5.50": "five euros and fifty cents", "20%": "twenty percent",
    "3.14159": "three point one four one five nine", "$3.5 million": "three point five million dollars",
    "at 10:30 a.m. today": "at ten thirty a m today", "2+2=4": "two plus two equals four", "1/2": "one half",
    "Mrs. Hall": "missus hall", "Dr. Brown, 5 Main St.": "doctor brown, five main street.",
    "555-1234": "five five five, one two three four", "May 3rd, 1876": "may third, eighteen seventy-six",
    "the 1990s": "the nineteen nineties", "a Ph.D. here": "a p h d here", "the U.S.A. won": "the u s a won",
    "NASA": "nasa",
    "BBC": "b b c", "page xiv": "page fourteen", "5 km": "five kilometers", "72°F": "seventy-two degrees fahrenheit",
    "C++": "c plus plus", "user@mail.com": "user at mail dot com", "www.example.com": "w w w dot example dot com",
    "e.g. this": "for example this", "you & me": "you and me", "No. 7": "number seven", "No. Never.": "no. never.",
    "No. I won't. No. I'm not.": "no. i won't. no. i'm not.", "Vol. I of it, No. IV": "volume one of it, number four",
    "-40 degrees, -5": "minus forty degrees, minus five",
    "on St. James St. at noon": "on saint james street at noon", "St. John's St.": "saint john's street.",
    "12 Elm Dr. near Ft. Worth": "twelve elm drive near fort worth",
    "in the U.S. She left the U.S. Army.": "in the u s. she left the u s army.",
    "Jan. 5 and 3 May 1876": "january fifth and the third of may eighteen seventy-six",
    "1876-05-03": "may third, eighteen seventy-six",
    "5/3/1876": "may third, eighteen seventy-six", "1914-1918": "nineteen fourteen to nineteen eighteen",
    "in the '90s": "in the nineties", "(555) 123-4567": "five five five, one two three, four five six seven",
    "5pm": "five p m", "12:05 AM": "twelve oh five a m", "10:00": "ten o'clock", "9am-5pm": "nine a m to five p m",
    "$0.99": "ninety-nine cents", "$1.01": "one dollar and one cent", "$5-10": "five to ten dollars",
    "US$20": "twenty u s dollars", "a $5 coffee": "a five dollar coffee", "50¢": "fifty cents",
    "¥500": "five hundred yen",
    "10-15%": "ten to fifteen percent", "100 km/h": "one hundred kilometers per hour", "5 m²": "five square meters",
    "5'10\"": "five feet ten", "5 lbs. of it": "five pounds of it",
    "3/4": "three quarters", "1 1/2 cups": "one and a half cups",
    "3½": "three and a half", "24/7": "twenty-four seven",
    "1,234,567": "one million two hundred thirty-four thousand five hundred sixty-seven",
    "007": "zero zero seven", "21st": "twenty-first", "World War II": "world war two", "Henry VIII": "henry the eighth",
    "Elizabeth I, queen": "elizabeth the first, queen", "I saw him": "i saw him", "COVID-19": "covid nineteen",
    "H2O": "h two o",
    "F-16": "f sixteen", "IBM's CDs": "i b m's c d's", "AT&T": "a t and t",
    "a 5-star, 3-year-old": "a five star, three year-old",
    "STOP THE CAR NOW": "stop the car now", "the US and us": "the u s and us", "vitamin A is": "vitamin a is",
    "5 - 3 = 2": "five minus three equals two", "1920x1080": "nineteen twenty by one thousand eighty",
    "x²": "x squared",
    "and/or": "and or", "J. K. Rowling": "j k rowling", "v1.2.3": "v one point two point three",
    "Café Zürich": "cafe zurich",
    "Привет": "privet", "α": "alpha", "Ελλάδα": "ellada", "rock 'n' roll": "rock and roll",
    "the dogs' bones": "the dogs' bones",
    "https://a.org/b_c": "a dot org slash b underscore c",
    "#7 #cats": "number seven hashtag cats"}


@pytest.mark.parametrize("written", CASES)
def test_as_a_person_reads(written):
    assert english_reader(written) == CASES[written]


@pytest.mark.parametrize("written, spoken", [
    ('She said -- "well" — no', "she said, well, no"), ("Wait… what... No", "wait, what. no"),
    ("the 'quoted words' here", "the, quoted words, here"), ("one (two) three", "one, two, three"),
    ('"Hello," she said. "Really?!"', "hello, she said. really?"), ("well-known", "well-known"), ("a\n\nb", "a. b")])
def test_dashes_quotes_and_ellipses_are_pauses(written, spoken):
    assert english_reader(written) == spoken


def test_the_letter_a_is_no_article():
    assert [piece.spoken for piece in speak("groups A and B, a cat, A cat").pieces] == [
        "groups", "A", "and", "B", "a", "cat", "a", "cat"]


def test_braces_decide():
    assert english_reader("I {R EH1 D} it, {nothing} else") == "i {R EH1 D} it, nothing else"
    assert english_reader("{I am a B person} or {R EH1 QQ}") == "i am a b person or r eh one q q"
    assert text_to_sequence("{R EH1 D}", "english_reader") == text_to_sequence("{R EH1 D}", "basic_cleaners")


def test_no_word_is_lost():
    text = "It's the very-first time that Ann, Bob & Carl (who knew?) paid for 'old' books; \"new\" ones too."
    said = english_reader(text).replace("'", " ").replace("-", " ")
    for word in ("it", "very", "first", "ann", "and", "carl", "who", "knew", "old", "books", "new", "ones", "too"):
        assert word in [token.strip(",.;?") for token in said.split()]


@pytest.mark.parametrize("text", ["", "  \n", "\U0001f600\U0001f389", "\x00\x07", "...", "-- \"\" ()", "{}"])
def test_nothing_to_say_is_the_users_mistake(text):
    for settings in (TextConfig(), TextConfig("english_cleaners", False)):
        with pytest.raises(UserError, match="nothing to say"):
            read(text, settings)


def test_what_cannot_be_said_is_dropped_and_named():
    reading = read("Hi \U0001f600 there\x07 \U0001f600 *you* ™", TextConfig())
    assert len(reading.dropped) == 4 and set(reading.dropped) == set("\U0001f600\x07™*")
    assert [word.text for word in reading.words] == ["Hi", "there", "you"]
    assert read("AC/DC", TextConfig()).dropped == ""


def test_sentences_keep_abbreviations_decimals_and_quotes_whole():
    sentences = [
        "Mr. Hall paid $3.50 to J. K. Moor.", '"Hello. How are you?" she asked.', "Dr. Brown, 5 Main St.",
        "He left the U.S.", "She saw the U.S. Army at 5 p.m. on Monday.", "See No. 7, e.g. this one... or that.",
        "Really?!", "No.", "I am.", "Vol. I of it."]
    assert split_sentences(" ".join(sentences) + "\n\nThe end") == [*sentences, "The end"]
    assert split_sentences(" \n ") == []
    assert all(part.count("{") == part.count("}") for part in split_sentences("{R EH1 D} " * 100))


def test_endless_sentences_are_cut_without_loss():
    words = [f"w{index}" for index in range(5000)]
    sentences = split_sentences(" ".join(words))
    assert max(map(len, sentences)) <= 400 and " ".join(sentences).split() == words
    assert "".join(split_sentences("a" * 1000)) == "a" * 1000


def test_everyday_sentences_are_read_as_they_were_by_eye():
    lines = (Path(__file__).parent / "golden" / "everyday.tsv").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("\t") for line in lines if line[0] != "#"]
    assert len(pairs) > 800
    assert [english_reader(text) for text, _ in pairs] == [said for _, said in pairs]
