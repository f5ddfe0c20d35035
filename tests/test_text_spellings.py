"""Unknown words that a known word of another spelling or a stem tells."""
import pytest

from text.phonemes import pronounce, sound_out
from text.spellings import pronounce_by_relatives

KNOWN = {"organize": "AO1 R", "labor": "L EY1 B ER0", "liter": "L IY1 T ER0", "hoodie": "HH UH1 D IY0",
         "tweet": "T W IY1 T", "vape": "V EY1 P", "blog": "B L AO1 G", "watch": "W AA1 CH", "bus": "B AH1 S",
         "city": "S IH1 T IY0", "final": "F AY1 N AH0 L", "odd": "AA1 D", "box": "B AA1 K S", "hat": "HH AE1 T",
         "flour": "F L AW1 ER0", "floor": "F L AO1 R", "flored": "X", "flore": "X"}


@pytest.mark.parametrize("word, phonemes", [
    ("organise", "AO1 R"), ("labour", "L EY1 B ER0"), ("litre", "L IY1 T ER0"), ("litres", "L IY1 T ER0 Z"),
    ("hoodies", "HH UH1 D IY0 Z"), ("tweeted", "T W IY1 T IH0 D"), ("vaping", "V EY1 P IH0 NG"), ("vaped", "V EY1 P T"),
    ("blogging", "B L AO1 G IH0 NG"), ("blogged", "B L AO1 G D"), ("watches", "W AA1 CH IH0 Z"),
    ("buses", "B AH1 S IH0 Z"), ("cities", "S IH1 T IY0 Z"), ("finally", "F AY1 N AH0 L IY0"), ("oddly", "AA1 D L IY0"),
    ("boxless", "B AA1 K S L AH0 S"), ("hats", "HH AE1 T S"), ("boxxx", "B AA1 K S"),
    ("floured", "F L AW1 ER0 D"), ("boxable", "B AA1 K S AH0 B AH0 L"), ("rewatched", "R IY0 W AA1 CH T"),
    ("oddd", "AA1 D"), ("millitweet", "M IH2 L IY0 T W IY1 T"), ("ciiity", "S IH1 T IY0")])
def test_spellings_and_endings(word, phonemes):
    assert pronounce_by_relatives(word, KNOWN.get) == phonemes


@pytest.mark.parametrize("word", ["bus", "finall", "as", "ing", "hatss", "zzzz", "citi", ""])
def test_what_has_no_relative_is_left_to_the_network(word):
    unknown = {key: said for key, said in KNOWN.items() if key != word}
    assert pronounce_by_relatives(word, unknown.get) is None


@pytest.mark.parametrize("word, other", [("analysed", "analyzed"), ("centred", "centered"), ("labelling", "labeling")])
def test_british_words_sound_as_the_american_ones(word, other):
    assert pronounce(word) is None and sound_out(word) == pronounce(other)
