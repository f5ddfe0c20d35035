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


def text_to_sequence(text: str, cleaners: str | list[str]) -> list[int]:
    """Returns the symbol ids of a text.

    cleaners: the name of a cleaner (a function of text/cleaners.py) or a list of names, which are applied one after the
    other. NVIDIA's cleaners see each part between braces by itself, as the published teacher did; `english_reader` sees
    the whole text. Characters outside the symbol table are left out. Raises UserError for an unknown name.
    """
    names = [cleaners] if isinstance(cleaners, str) else list(cleaners)
    functions = [cleaner_of(name) for name in names]
    if "english_reader" in names:
        for clean in functions:
            text = clean(text)
        return encode(text)
    ids = []
    for part, in_braces in split_braces(text):
        if not in_braces:
            for clean in functions:
                part = clean(part)
        ids += encode("{" + part + "}") if in_braces else encode_plain(part)
    return ids


def encode_plain(text: str) -> list[int]:
    """Ids of cleaned text in which braces mean nothing."""
    return [symbol_to_id[character] for character in text if character in SAYABLE]


def sequence_to_text(ids: list[int]) -> str:
    """The text of ids: runs of ARPAbet symbols in one pair of braces, padding left out."""
    names = [symbols[index] for index in ids if symbols[index] != PAD]
    return "".join("{" + name[1:] + "}" if name[0] == "@" else name for name in names).replace("}{", " ")
