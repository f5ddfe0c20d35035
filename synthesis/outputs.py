"""Writes speech to files: the sound, the times of its words and a picture of its mel."""
import json
from pathlib import Path
from typing import NamedTuple

from runtime.files import write_text
from synthesis.speech import Speech


class Outputs(NamedTuple):
    """The files that a text is spoken into; None for what is not written."""
    sound: Path | None  # .wav, .flac or .ogg
    timestamps: Path | None  # .json
    picture: Path | None  # .png

    def numbered(self, number: int, count: int) -> "Outputs":
        """Returns the paths for one of `count` texts: talk-001.wav for talk.wav; unchanged if there is only one."""
        if count == 1:
            return self
        return Outputs(*(path and path.with_stem(f"{path.stem}-{number:03d}") for path in self))


def write_speech(speech: Speech, outputs: Outputs) -> None:
    """Writes the files. Raises UserError for one that cannot be written; each is complete or absent."""
    seconds = len(speech.wave) / speech.sample_rate
    if outputs.sound is not None:
        from audio import write_wav
        write_wav(outputs.sound, speech.wave, speech.sample_rate)
    if outputs.timestamps is not None:
        words = [{"word": word.text, "start": round(word.start, 4), "end": round(word.end, 4)} for word in speech.words]
        write_text(outputs.timestamps, json.dumps({"seconds": round(seconds, 4), "words": words}, indent=1))
    if outputs.picture is not None:
        from audio.pictures import mel_picture
        mel_picture(outputs.picture, speech.mel, seconds)
