"""Text to symbol ids and back. Curly braces hold ARPAbet: `read {R EH1 D}`."""
from text.cleaners import cleaner_of
from text.symbols import PAD, SAYABLE, symbol_to_id, symbols


def split_braces(text: str) -> list[tuple[str, bool]]:
    """Cuts text at its braces: [(part, True if it stood in braces)]; an unclosed brace is ordinary text.

    As NVIDIA's, the first closing brace ends a group, and a group has at least one character.
    """
    parts, position = [], 0
    while (start := text.find("{", position)) >= 0 and (stop := text.find("}", start + 2)) >= 0:
        parts += [(text[position:start], False), (text[start + 1:stop], True)]
        position = stop + 1
    return [*parts, (text[position:], False)]


def encode(text: str) -> list[int]:
    """Ids of text already cleaned: a character an id, `{R EH1 D}` three ids; what is not in the table is left out."""
    ids = []
    for part, in_braces in split_braces(text):
        if in_braces:
            ids += [symbol_to_id["@" + name] for name in part.split() if "@" + name in symbol_to_id]
        else:
            ids += encode_plain(part)
    return ids


def text_to_sequence(text: str, cleaners: str) -> list[int]:
    """Ids of a text by the cleaners of this name (a function of text/cleaners.py); UserError for an unknown name.

    NVIDIA's cleaners see each part between braces by itself, as the published teacher did; `english_reader` sees the
    whole text. Characters outside the table are left out. An empty text gives an empty list.
    """
    clean = cleaner_of(cleaners)
    if cleaners == "english_reader":
        return encode(clean(text))
    ids = []
    for part, in_braces in split_braces(text):
        ids += encode("{" + part + "}") if in_braces else encode_plain(clean(part))
    return ids


def encode_plain(text: str) -> list[int]:
    """Ids of cleaned text in which braces mean nothing."""
    return [symbol_to_id[character] for character in text if character in SAYABLE]


def sequence_to_text(ids: list[int]) -> str:
    """The text of ids: runs of ARPAbet symbols in one pair of braces, padding left out."""
    names = [symbols[index] for index in ids if symbols[index] != PAD]
    return "".join("{" + name[1:] + "}" if name[0] == "@" else name for name in names).replace("}{", " ")
