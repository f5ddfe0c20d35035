"""Markup off: markdown, HTML and SSML to the text that a person reads aloud.

What is markup is silent; headings and items of lists end with a pause; links read their label; rules, marks of
footnotes and drawn boxes are silent. Every pattern is bounded, so that the time grows with the length of the text.
"""
import html
import re

from hparams import UserError

KINDS = ("auto", "plain", "markdown", "html")
_TAGS = ("a abbr address article aside audio b big blockquote body br button caption center cite code col dd del "
         "details div dl dt em emphasis figcaption figure font footer form h1 h2 h3 h4 h5 h6 head header hr html i "
         "iframe img input ins kbd label li link main mark meta nav ol option p pre prosody q s samp say-as script "
         "section select small source span speak strike strong style sub summary sup svg table tbody td textarea "
         "tfoot th thead time title tr tt u ul var video voice wbr")
_TAG = re.compile(rf"<(/?)({'|'.join(sorted(_TAGS.split(), key=len, reverse=True))})(?![\w-])([^<>]{{0,2000}})>",
                  re.IGNORECASE)
_COMMENT = re.compile(r"<!--(?:[^-]|-(?!->)){0,5000}-->|<!DOCTYPE[^<>]{0,300}>|<\?xml[^<>]{0,300}\?>", re.IGNORECASE)
_SILENT_ELEMENT = re.compile(r"<(script|style)\b[^<>]{0,2000}>[^<]{0,20000}</\1\s*>", re.IGNORECASE)
_BREAK = re.compile(r"<break\b([^<>]{0,400})>", re.IGNORECASE)
_BREAK_TIME = re.compile(r"\btime\s?=\s?[\"'](\d+(?:\.\d+)?\s?m?s)[\"']")
_ENTITY = re.compile(r"&(?:[A-Za-z]{2,8}\d{0,2}|#\d{1,7}|#[xX][0-9A-Fa-f]{1,6});")
_BLOCKS = frozenset("p div h1 h2 h3 h4 h5 h6 li tr br hr ul ol table blockquote section article header footer dt dd "
                    "title caption figcaption pre option".split())
_WITH_STOP = frozenset("h1 h2 h3 h4 h5 h6 li title caption figcaption dt dd tr".split())
_CELLS = frozenset("td th label button".split())

_FENCE = re.compile(r"^[^\S\n]{0,3}(?:```|~~~)[^\n]{0,200}$", re.MULTILINE)
_FENCED = re.compile(r"^[^\S\n]{0,3}(```|~~~)[^\n]{0,200}\n((?:(?![^\S\n]{0,3}\1)[^\n]{0,2000}\n){1,300})[^\S\n]{0,3}\1"
                     r"[^\S\n]*$", re.MULTILINE)
_HEADING = re.compile(r"^[^\S\n]{0,3}#{1,6}[^\S\n]+([^\n]{1,2000}?)[^\S\n]*#{0,6}[^\S\n]*$", re.MULTILINE)
_UNDERLINED = re.compile(r"^([^\n]{1,300})\n[^\S\n]{0,3}(?:={3,300}|-{3,300})[^\S\n]*$", re.MULTILINE)
_RULE_LINE = re.compile(r"^[^\S\n]{0,3}(?:[-*_=~][^\S\n]?){3,300}$", re.MULTILINE)
_QUOTE = re.compile(r"^[^\S\n]{0,3}(?:>(?!\d)[^\S\n]?){1,5}", re.MULTILINE)
_ITEM = re.compile(r"^[^\S\n]{0,12}(?:[-*+]|•)[^\S\n]+(?:\[[ xX]\][^\S\n]+)?([^\n]{1,5000})$", re.MULTILINE)
_NUMBERED_ITEM = re.compile(r"^([^\S\n]{0,12}\d{1,3})[.)][^\S\n]+([^\n]{1,5000})$", re.MULTILINE)
_TABLE_RULE = re.compile(r"^[^\S\n]{0,3}\|?(?:[^\S\n]?:?-{2,100}:?[^\S\n]?\|){1,50}(?:[^\S\n]?:?-{2,100}:?)?[^\S\n]*$",
                         re.MULTILINE)
_TABLE_ROW = re.compile(r"^[^\S\n]{0,3}\|([^\n]{1,2000})\|[^\S\n]*$", re.MULTILINE)
_FOOTNOTE = re.compile(r"\[\^[^\]\n]{1,40}\]:?")
_IMAGE = re.compile(r"!\[([^\]\n]{0,300})\]\([^()\s]{0,500}(?:[^\S\n]+\"[^\"\n]{0,200}\")?\)")
_LABEL = r"(?<![\w\]])\[(?!\s{0,9}(?i:pause)\b)([^\[\]\n]{1,300})\]"  # not the mark of a pause, nor x[3]
_LINK = re.compile(
    _LABEL + r"\([^()\s]{1,500}(?:\([^()\s]{0,100}\))?[^()\s]{0,100}(?:[^\S\n]+\"[^\"\n]{0,200}\")?\)")
_REFERENCE = re.compile(r"(?!\[\d{1,3}\])" + _LABEL + r"\[[^\[\]\n]{0,80}\]")
_DEFINITION = re.compile(r"^[^\S\n]{0,3}\[[^\]\n]{1,80}\]:[^\S\n]+\S{1,500}[^\n]{0,200}$", re.MULTILINE)
_AUTOLINK = re.compile(r"<((?:https?://|mailto:)[^<>\s]{1,500})>")
_STRONG = re.compile(r"(?<![\w*])(\*\*\*?|___?)(?=[^\s*_])([^\n]{1,1000}?)(?<=[^\s*_])\1(?![\w*])")
_EMPHASIS = re.compile(r"(?<![\w*\\])\*(?=[^\s*])([^*\n]{1,1000}?)(?<=[^\s*])\*(?![\w*])")
_UNDERSCORES = re.compile(r"(?<![\w\\])_(?=[^\s_])([^_\n]{1,1000}?)(?<=[^\s_])_(?!\w)")
_STRUCK = re.compile(r"~~(?=\S)([^~\n]{1,1000}?)(?<=\S)~~")
_CODE = re.compile(r"(?<!`)(`{1,2})(?=[^`\n])([^\n`]{1,500})\1(?!`)")
_ESCAPED = re.compile(r"\\([\\`*_{}\[\]()#+.!|~>-])")
# A sign that each of Markdown's patterns needs: most texts have none, and are spared the twenty searches
_MARKDOWN = re.compile(r"[\[>|=*_~#+•`\\]|^[^\S\n]{0,12}(?:-|\d{1,3}[.)])", re.MULTILINE)
_ENDS_WITH_MARK = re.compile(r"[.!?:;,…][\"'”’)\]*_]*$")


def plain(text: str, kind: str = "auto") -> str:
    """Takes the markup off a text.

    kind: "markdown", "html" (and SSML), "plain" for text in which nothing is markup, or "auto", which takes off only
    what cannot be meant as text. Raises UserError for another kind.
    """
    if kind not in KINDS:
        raise UserError(f"markup: found {kind!r}, expected one of {', '.join(KINDS)}")
    if kind in ("html", "auto"):
        text = _without_html(text, entities=kind == "html" or _ENTITY.search(text) is not None)
    if kind in ("markdown", "auto") and _MARKDOWN.search(text):
        text = _without_markdown(text)
    return text


def _without_html(text: str, entities: bool) -> str:
    """Returns the text without HTML tags; block elements end in a pause. entities: replace &amp; and the like."""
    if "<" in text:
        text = _COMMENT.sub("", _SILENT_ELEMENT.sub(" ", text))
        text = _BREAK.sub(_pause, text)
        text = _TAG.sub(_tag, text)
        text = re.sub(r"(\w),?[^\S\n]*\x00", r"\1.\n\n", text).replace("\x00", "\n\n")
    return _ENTITY.sub(_entity, text) if entities else text


def _pause(match: re.Match[str]) -> str:
    """What stands for SSML's <break>: a pause mark if it says how long, else a comma."""
    seconds = _BREAK_TIME.search(match[1])
    return f" [pause {seconds[1]}] " if seconds else ", "


def _tag(match: re.Match[str]) -> str:
    """What stands for a tag: a pause for those of headings and items, a line for other blocks, else nothing."""
    closes, name = bool(match[1]), match[2].lower()
    if name in _WITH_STOP and closes:
        return "\x00"
    if name == "img":
        label = re.search(r"\balt\s*=\s*[\"']([^\"']{1,300})", match[3])
        return f" {label[1]} " if label else " "
    if name in _CELLS and closes:
        return ", "
    return "\n\n" if name in _BLOCKS else ""


def _entity(match: re.Match[str]) -> str:
    """Returns the character of an HTML entity; spaces stay plain, invisible characters go."""
    character = html.unescape(match[0])
    return " " if character == "\xa0" else "" if character in ("\xad", "\u200b") else character


def _without_markdown(text: str) -> str:
    """Returns the text without Markdown's marks; headings and list items end in a pause."""
    if "`" in text or "~~~" in text:
        text = _FENCED.sub(lambda match: "\n".join(map(_with_stop, match[2].strip().split("\n"))), text)
        text = _FENCE.sub("", text)
    text = _FOOTNOTE.sub("", text)
    text = _DEFINITION.sub("", text)
    text = _IMAGE.sub(r"\1", text)
    text = _REFERENCE.sub(r"\1", _LINK.sub(r"\1", text))
    text = _AUTOLINK.sub(r"\1", text)
    text = _TABLE_ROW.sub(_table_row, _TABLE_RULE.sub("", text))
    text = _UNDERLINED.sub(lambda match: _with_stop(match[1]) + "\n", text)
    text = _RULE_LINE.sub("\n", text)
    text = _QUOTE.sub("", text)
    text = _HEADING.sub(lambda match: _with_stop(match[1]) + "\n", text)
    text = _ITEM.sub(lambda match: _with_stop(match[1]) + "\n", text)
    text = _NUMBERED_ITEM.sub(lambda match: f"{match[1]}, {_with_stop(match[2])}\n", text)
    text = _CODE.sub(r"\2", text)
    for pattern, group in ((_STRONG, r"\2"), (_EMPHASIS, r"\1"), (_UNDERSCORES, r"\1"), (_STRUCK, r"\1")):
        text = pattern.sub(group, text)
    return _ESCAPED.sub(r"\1", text)


def _with_stop(line: str) -> str:
    """The line with a full stop, unless it ends with a mark already."""
    line = line.rstrip()
    return line if _ENDS_WITH_MARK.search(line[-12:]) else line + "."


def _table_row(match: re.Match[str]) -> str:
    """Returns the cells of a table row, separated by commas."""
    cells = [cell.strip() for cell in match[1].split("|")]
    return _with_stop(", ".join(cell for cell in cells if cell))
