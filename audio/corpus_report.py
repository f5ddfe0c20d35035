"""A look at a corpus before training: what is in it, which rows are left out, and which are suspicious."""
import collections
import dataclasses
import math
import statistics
from collections.abc import Iterable, Sequence

from audio.corpus import Recording
from text import Line

SHORTEST = 2048  # samples, 0.1 s: the longest analysis window of the losses
LONGEST_SECONDS = 20.0  # longer rows are mentioned
SILENT = -60.0  # dB
LEVEL_RANGE = 15.0  # dB around the median
CLIPPED_SHARE = 5e-4  # of the samples
LETTERS_PER_SECOND = (4.0, 30.0)  # of text; LJSpeech has about 12
MOST_NAMED = 5
LEFT_OUT, USED = "left out", "used as they are"
UNFIT = "whose text is too long or too short for the recording"


@dataclasses.dataclass(frozen=True)
class Finding:
    """Rows of a corpus that have something in common."""
    what: str
    action: str  # what is done about them
    rows: list[int]


@dataclasses.dataclass(frozen=True)
class CorpusReport:
    """What `examine` found in a corpus."""
    names: list[str]  # of all rows
    seconds: float  # of all rows together
    rates: dict[int, int]  # sample rate in Hz -> number of files
    levels: tuple[float, float, float]  # lowest, median and highest in dB, without silent rows
    findings: list[Finding]

    @property
    def left_out(self) -> set[int]:
        """Numbers of the rows that are not trained on."""
        return {row for finding in self.findings if finding.action == LEFT_OUT for row in finding.rows}

    def describe(self) -> list[str]:
        """Returns the report as lines of text: a summary, then one line for each finding."""
        rates = ", ".join(f"{rate} Hz" + (f" ({count} files)" if len(self.rates) > 1 else "")
                          for rate, count in sorted(self.rates.items()))
        low, median, high = self.levels
        lines = [f"{len(self.names)} rows, {self.seconds / 3600:.2f} h, {rates}, level {median:.0f} dB "
                 f"({low:.0f} to {high:.0f})"]
        for finding in self.findings:
            names = ", ".join(self.names[row] for row in finding.rows[:MOST_NAMED])
            more = ", ..." if len(finding.rows) > MOST_NAMED else ""
            count = f"{len(finding.rows)} row" + ("s" if len(finding.rows) > 1 else "")
            lines.append(f"{count} {finding.what}, {finding.action}: {names}{more}")
        return lines


def examine(lines: Sequence[Line], recordings: Sequence[Recording], rate: int) -> CorpusReport:
    """Returns a report on the rows of a corpus, whose recordings are all readable.

    rate: Hz, of the waves. Left out are rows that are silent, too short for the losses, or whose text has no letter
    and no digit. Only reported are rows that are clipped, long, much louder or quieter than most, changed by decoding,
    or whose text is too long or too short for the recording.
    """
    seconds = [len(recording.wave) / rate for recording in recordings]
    sounding = [recording.level for recording in recordings if recording.level >= SILENT]
    median = statistics.median(sounding) if sounding else -math.inf
    findings = [
        _finding("silent", LEFT_OUT, (recording.level < SILENT for recording in recordings)),
        _finding(f"shorter than {SHORTEST} samples", LEFT_OUT,
                 (len(recording.wave) < SHORTEST for recording in recordings)),
        _finding("without a word in their text", LEFT_OUT, (not _letters(line) for line in lines)),
        _finding("clipped", USED, (recording.clipped > CLIPPED_SHARE for recording in recordings)),
        _finding(f"more than {LEVEL_RANGE:.0f} dB louder or quieter than most", USED,
                 (r.level >= SILENT and abs(r.level - median) > LEVEL_RANGE for r in recordings)),
        _finding(f"longer than {LONGEST_SECONDS:.0f} s", "used if --max-frames allows it",
                 (length > LONGEST_SECONDS for length in seconds)),
        _finding(UNFIT, USED, map(_is_suspicious, lines, seconds)),
        *_changes(recordings)]
    levels = (min(sounding), median, max(sounding)) if sounding else (-math.inf,) * 3
    rates = dict(collections.Counter(recording.rate for recording in recordings))
    return CorpusReport([line.name for line in lines], sum(seconds), rates, levels,
                        [finding for finding in findings if finding.rows])


def _finding(what: str, action: str, conditions: Iterable[bool]) -> Finding:
    """Returns the finding of the rows for which the condition is true."""
    return Finding(what, action, [row for row, is_true in enumerate(conditions) if is_true])


def _letters(line: Line) -> int:
    """Returns the number of letters and digits in a row's text."""
    return sum(map(str.isalnum, line.text))


def _is_suspicious(line: Line, seconds: float) -> bool:
    """Returns whether a text has too many or too few letters for its recording. Very short ones vary too much."""
    pace = _letters(line) / max(seconds, 0.1)
    return seconds > 0.5 and pace > 0 and not LETTERS_PER_SECOND[0] <= pace <= LETTERS_PER_SECOND[1]


def _changes(recordings: Sequence[Recording]) -> list[Finding]:
    """Returns a finding for each kind of change that decoding made."""
    rows: dict[str, list[int]] = {}
    for row, recording in enumerate(recordings):
        for change in recording.changes:
            rows.setdefault(change, []).append(row)
    return [Finding("converted", change, rows[change]) for change in sorted(rows)]
