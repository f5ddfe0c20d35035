"""The symbol table of NVIDIA's Tacotron2: 148 symbols, an interface shared by every model that reads text.

Id 0 is the padding symbol `_`, which no text produces. ARPAbet symbols carry an `@` so that they differ from letters.
"""

PAD = "_"
_PUNCTUATION = "-!'(),.:;? "
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VOWELS = ("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW")
_CONSONANTS = ("B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N", "NG", "P", "R", "S", "SH", "T", "TH",
               "V", "W", "Y", "Z", "ZH")
_ARPABET = sorted([vowel + stress for vowel in _VOWELS for stress in ("", "0", "1", "2")] + list(_CONSONANTS))

symbols: list[str] = [PAD, *_PUNCTUATION, *_LETTERS, *("@" + phoneme for phoneme in _ARPABET)]
symbol_to_id: dict[str, int] = {symbol: index for index, symbol in enumerate(symbols)}
SAYABLE = frozenset(_PUNCTUATION + _LETTERS)  # the characters that text may hold outside of braces
PAUSES = frozenset("!(),.:;?")  # punctuation that is heard as a pause; '-' and ''' stand inside words
