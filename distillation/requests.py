"""Which rows this process makes, and their symbol ids."""
from collections.abc import Callable
from typing import NamedTuple

from distillation.dataset import RowKey
from distillation.processes import Processes
from distillation.texts import Text
from distillation.writer import DistilledWriter
from hparams import TextConfig, UserError


class Request(NamedTuple):
    """A row to be made: one of the readings of a text."""
    name: str
    sample: int  # from 0
    ids: list[int]


def share_rows(texts: list[Text], samples: int, processes: Processes,
               finished: set[RowKey]) -> list[tuple[Text, int]]:
    """Returns this process's unfinished rows (text, sample).

    All rows are shared out before the finished ones are left out. So processes that see different folders (one may
    have begun to write) still agree on who makes which row.
    """
    rows = [(text, sample) for text in texts for sample in range(samples)]
    return [(text, sample) for text, sample in rows[processes.rank::processes.count]
            if (text.name, sample) not in finished]


def make_requests(rows: list[tuple[Text, int]], text_config: TextConfig, max_steps: int, writer: DistilledWriter,
                  warn: Callable[[str], None]) -> list[Request]:
    """Converts texts to symbol ids. Rejects those that cannot be read, and those too long for max_steps frames."""
    from text import read
    requests, dropped = [], ""
    for text, sample in rows:
        try:
            reading = read(text.text, text_config)
        except Exception as error:  # whatever it is, one odd text must not end a run of hours
            reason = str(error) if isinstance(error, UserError) else f"the text cannot be read ({type(error).__name__})"
            writer.reject(text.name, sample, reason, {})
            continue
        dropped, length = dropped + reading.dropped, len(reading.ids)
        if length > max_steps:
            writer.reject(text.name, sample, f"{length} symbols cannot be said in {max_steps} frames", {})
        else:
            requests.append(Request(text.name, sample, reading.ids))
    if dropped:
        warn("warning: left out of the texts what cannot be said: " + " ".join(map(repr, dict.fromkeys(dropped))))
    return requests
