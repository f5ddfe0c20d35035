"""Rules for what the internet and programs write: addresses, mail, files, dotted names, menus."""
import re

from text.numbers import cardinal, spell_digits, year
from text.phonemes import dictionary_entry, is_spelled
from text.rule import CAPITAL, DIGIT, LETTER, after, before, begins_line, compiled, led_by, near, rule
from text.tables import ADDRESS_SIGNS, DOMAINS, FILES, FOLDERS, KEYS

_ENDINGS = DOMAINS | FILES
_COMMANDS = ("ls|cd|rm|run|git|npm|pip|python|docker|curl|flags?|options?|command|argument|parameter|missing|unknown|"
             "usage|install|grep|tar|sudo|ssh")


def _say_part(word: str) -> str:
    """A part of an address: digits one by one, letters as a word where they can be said as one."""
    if len(word) == 4 and word[:2] in ("19", "20") and word.isdecimal():
        return year(word)
    if word.isdecimal():
        return spell_digits(word) if len(word) > 2 or word[0] == "0" else cardinal(word)
    low = word.lower()
    if low == "www" or is_spelled(low) or not re.search("[aeiouy]", low) or len(low) == 1 or (
            len(low) <= 3 and not dictionary_entry(low)):
        return " ".join(word.upper())
    return low


def say_address(address: str) -> str:
    """'www.example.com/a-b' -> 'W W W dot example dot com slash A dash B'."""
    said, previous = [], ""
    for part in re.findall(r"[A-Za-z]+|\d+|[^A-Za-z\d]", address):
        if part.isascii() and part.isalnum():
            ending = _ENDINGS.get(part.lower()) if previous == "." else None
            said.append(ending or _say_part(part))
        else:
            said.append(ADDRESS_SIGNS.get(part, ""))
        previous = part
    return " ".join(filter(None, said))


@rule(LETTER, r"(?:[A-Za-z]{2,6}://|mailto:)([^\s<>\"]{1,300}[A-Za-z0-9])/?|(www\.[A-Za-z0-9]"
      r"(?:[^\s<>\"]{1,300}[A-Za-z0-9])?)/?")
def web_address(match: re.Match[str]) -> str:
    """https://example.org -> example dot org: the scheme is silent."""
    return say_address(match[1] or match[2])


@rule(LETTER, r"[a-z][\w.-]{0,30}@[\w.-]{1,40}:[~/\w.-]{0,60}[$#] ", needs="@")
def shell_prompt(match: re.Match[str]) -> str | None:
    """'user@host:~$ ls': silence at the start of a line."""
    return "" if begins_line(match) else None


@rule(LETTER + DIGIT, r"[A-Za-z0-9][\w.+-]{0,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,5}", needs="@")
def mail_address(match: re.Match[str]) -> str:
    """jane.doe@example.org -> jane dot doe at example dot org."""
    return say_address(match[0])


@rule(LETTER + DIGIT, r"(?:[\w-]{1,63}\.){1,8}([A-Za-z]{2,6}|mp3|mp4|h|c)(?:/[^\s<>\"]{0,300}[A-Za-z0-9/])?"
      r"(?![A-Za-z0-9])")
def domain_or_file(match: re.Match[str]) -> str | None:
    """nature.com, notes.txt, math.h."""
    ending = match[1].lower()
    if ending in ("h", "c"):
        if match.start() and not led_by(
                match, "include|header|file|in|of|open|edit|the|from|compil(?:e|ing|ed)|building|linking|see|run"):
            return None
        return say_address(match[0][:-2]) + f" dot {ending.upper()}"
    is_ending = ending in _ENDINGS and (match[1].islower() or match[0].isupper())
    return say_address(match[0].rstrip("/")) if is_ending else None


@rule(".", r"\.{1,2}/(?=\w)")
def path_from_here(match: re.Match[str]) -> str | None:
    """'run ./go.sh' -> dot slash."""
    return None if before(match, 1).strip() else f"{'dot ' * (len(match[0]) - 1)}slash"


@rule("/~", r"~?/[\w.-]{1,60}(?:/[\w.-]{1,60}){0,12}/?(?<![.-])")
def path(match: re.Match[str]) -> str | None:
    """/usr/local/bin, ~/.bashrc, /tmp; not the slash of '5 /day'."""
    is_path = match[0].count("/") > 1 or match[0][0] == "~" or "." in match[0][:-1] or match[0].strip("/") in FOLDERS
    return say_address(match[0].rstrip("/")) if is_path and not before(match, 1).strip(" \n(\"'=:") else None


@rule(".", r"\.[a-z][\w-]{1,20}(?:\.[a-z]\w{0,12}){1,3}(?![\w-])")
def hidden_file(match: re.Match[str]) -> str | None:
    """'copy .env.example' -> dot env dot example."""
    return None if before(match, 1).strip(" \n(\"'") else say_address(match[0])


@rule(".", r"\.([A-Za-z0-9]{1,12})(?!\w|\.\w)")
def file_ending(match: re.Match[str]) -> str | None:
    """'a .zip file' -> dot zip, 'edit .bashrc' -> dot bashrc."""
    ending = FILES.get(match[1].lower())
    is_file = ending or match[1].islower() and compiled(
        r" (?:files?|folders?|director|extension|format)|(?<=rc)|(?<=ignore)|(?<=env)").match(match.string, match.end())
    return f"dot {ending or _say_part(match[1])}" if is_file and not before(match, 1).strip(" \n(\"'") else None


@rule(CAPITAL, r"[A-Z][A-Za-z]{1,7}(?:\s?[+-]\s?(?:[A-Z][A-Za-z]{1,7}|F?\d{1,2}|[A-Za-z])(?![A-Za-z])){1,4}",
      needs="+-")
def key_combination(match: re.Match[str]) -> str | None:
    """Ctrl+Alt+Del -> control alt delete."""
    parts = re.findall(r"[A-Za-z]+|\d+", match[0])
    if parts[0] not in KEYS or any(len(part) > 1 and part.isalpha() and part not in KEYS for part in parts):
        return None
    return " ".join(KEYS.get(part) or (cardinal(part) if part.isdecimal() else part.upper()) for part in parts)


@rule("-", r"--?([A-Za-z][A-Za-z-]{0,30})(?=[\s=,.;:)]|$)")
def command_option(match: re.Match[str]) -> str | None:
    """'git commit -m' -> dash M, 'use --force' -> dash dash force; only near words of a command line."""
    if before(match, 1).strip() or match[0][1] != "-" and len(match[1]) > 2 or not near(match, _COMMANDS):
        return None
    name = " ".join(match[1].upper()) if len(match[1]) < 3 else match[1].replace("-", " ").lower()
    return f"{'dash dash' if match[0][1] == '-' else 'dash'} {name}"


@rule(LETTER + "_", r"[A-Za-z_]\w{0,40}(?:\.[A-Za-z_]\w{0,40}){1,6}(?:\(\))?(?![\w.])")
def dotted_name(match: re.Match[str]) -> str | None:
    """self.total -> self dot total; not 'end.Next' where a space is missing, nor initials."""
    parts = match[0].removesuffix("()").split(".")
    if any(len(part) == 1 and part.isupper() for part in parts) or len(parts) == 2 and len(parts[-1]) > 1 and (
            parts[-1][0].isupper() and parts[0].islower() and re.match(r"\s[a-z]", after(match, 2))):
        return None
    if all(len(part) == 1 for part in parts) or not all(part.strip("_") for part in parts):
        return None
    return " dot ".join(say_identifier(part) for part in parts)


@rule(LETTER + "_", r"_*[A-Za-z]\w*_\w*", needs="_")
def snake_case(match: re.Match[str]) -> str | None:
    """max_value -> max value; the name of a user with its underscore."""
    is_user = near(match, "user ?names?|handle|log ?in|account|instagram|twitter|password|files?", 30)
    said = say_address(match[0]) if is_user else say_identifier(match[0])
    return said or None


def say_identifier(name: str) -> str:
    """'max_value' -> 'max value', 'x' -> 'X'."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)
    return " ".join(_say_part(part) for part in parts)
