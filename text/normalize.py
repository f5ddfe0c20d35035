"""Characters as the rules know them: ASCII and a few signs, with the place in the text that each comes from."""
import unicodedata
from typing import NamedTuple

from text.rule import compiled
from text.tables import GREEK, SIGNS

SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+"))
DAGGERS = "†‡"
_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉₋₊", "0123456789-+"))
_PLAIN = str.maketrans({
    **dict.fromkeys("“”„‟«»″〝〞", '"'), **dict.fromkeys("‘’‚‛‹›′ʼ`´", "'"), **dict.fromkeys("‐‑", "-"),
    **dict.fromkeys("–‒", "–"), **dict.fromkeys("—―⸺", "—"), **dict.fromkeys("•·‣●▪■◦○", "—"), **_SUBSCRIPTS,
    "…": "...", "μ": "µ", "º": "°", "˚": "°", "∗": "*", "⋅": "×", "✕": "×", "➔": "→", "⇒": "→"})
_SILENT = frozenset("™®¡¿")
_KEPT = frozenset([*SIGNS, *GREEK, *SUPERSCRIPTS, *DAGGERS, "–", "—", "Ω"])
# The pronunciation in an encyclopedia: /ˈtoʊkioʊ/
_SOUNDS = r"([/\[])(?=[^/\[\]\n]{0,60}[ˈˌːəɪʊɛɔʃʒθðŋɑɒʌɜɹɡ])[^/\[\]\n]{1,60}[/\]]"
_GREEK_LETTERS = r"[\u0370-\u03ff\u1f00-\u1fff]"


class Normalized(NamedTuple):
    """A text in the characters that the rules know."""
    text: str
    origins: list[int] | None  # for each character, its index in the original text; None if they are the same
    dropped: dict[str, bool]  # characters of which nothing is left, in order

    def source(self, original: str, start: int, stop: int) -> str:
        """Returns the part of the original text that text[start:stop] comes from."""
        if self.origins is None:
            return original[start:stop]
        return original[self.origins[start]:self.origins[stop - 1] + 1]


def normalize(text: str) -> Normalized:
    """Transliterates a text, except for the signs, Greek letters and superscripts that the rules read."""
    if text.isascii() and text.isprintable():
        return Normalized(text.replace("`", "'"), None, {})
    text = compiled(_SOUNDS).sub(lambda match: " " * len(match[0]), text)
    plain, origins, dropped = [], [], {}
    for index, character in enumerate(text):
        written = _transliterate(character, text[max(0, index - 1):index + 2])
        if not written and character not in "¡¿" and unicodedata.category(character) not in ("Mn", "Cf"):
            dropped[character] = True
        plain.append(written)
        origins += [index] * len(written)
    return Normalized("".join(plain), origins, dropped)


def _transliterate(character: str, around: str) -> str:
    """around: the character with its neighbours. A Greek letter among others is part of a word, alone a symbol."""
    if character.isspace():
        return "\n" if character in "\n\u2028\u2029" else " "
    if character.isascii():
        return character.translate(_PLAIN) if character.isprintable() else ""
    if character == "◦" and around[0].isdecimal():  # "375◦F"
        return "°"
    character = character.translate(_PLAIN)
    if character in _SILENT:
        return ""
    if "\u2500" <= character <= "\u259f":  # lines and blocks of drawn boxes
        return " "
    if character == "—" and len(around) == 3 and around[0].isalpha() and around[2].isalpha() and around[1] in "·‣":
        return "-"  # the product of two units: N·m
    in_word = character in GREEK and len(compiled(_GREEK_LETTERS).findall(around)) > 1
    if character in _KEPT and not in_word or character.isascii():
        return character
    from unidecode import unidecode
    return unidecode(character)
