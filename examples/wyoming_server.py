"""A Wyoming server. In Home Assistant add "Wyoming Protocol" with this machine's address and the port.

    python -m examples.wyoming_server tcp://0.0.0.0:10200       # default: tcp://127.0.0.1:10200
"""
import asyncio
import contextlib
import sys
from functools import partial
from typing import Any

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Attribution, Describe, Info, TtsProgram, TtsVoice
from wyoming.server import AsyncEventHandler, AsyncServer
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop, SynthesizeStopped

from audio.files import to_int16
from examples.turns import TurnTaker, split_finished
from hparams import UserError
from synthesis import SENTENCE_PAUSE, Synthesizer

ABOUT: dict[str, Any] = {"name": "lightspeech", "description": "LightSpeech", "version": None, "installed": True,
                         "attribution": Attribution("LightSpeech", "")}
INFO = Info(tts=[TtsProgram(**ABOUT, voices=[TtsVoice(**ABOUT, languages=["en"])], supports_synthesize_streaming=True)])


class Handler(AsyncEventHandler):
    """Answers the events of one client."""

    def __init__(self, speaker: TurnTaker, *streams: Any) -> None:
        super().__init__(*streams)
        self.speaker = speaker
        self.written: str | None = None  # what is not yet said of a text that is still being written
        self.said = False  # whether a part of the text was said

    async def run(self) -> None:
        """Answers until the client is gone."""
        with contextlib.suppress(ConnectionError):
            await super().run()

    async def handle_event(self, event: Event) -> bool:
        """Answers one event. Returns True: the client stays connected."""
        if Describe.is_type(event.type):
            await self.write_event(INFO.event())
        elif SynthesizeStart.is_type(event.type):
            self.written, self.said = "", False
        elif self.written is None and Synthesize.is_type(event.type):
            self.said = False
            await self._speak(event.data.get("text", ""), is_last=True)
        elif self.written is not None and SynthesizeChunk.is_type(event.type):
            finished, self.written = split_finished(self.written + event.data.get("text", ""))
            if finished:
                await self._speak(finished, is_last=False)
        elif self.written is not None and SynthesizeStop.is_type(event.type):
            await self._speak(self.written, is_last=True)
            self.written = None
            await self.write_event(SynthesizeStopped().event())
        return True  # a whole text amid the parts is the same text again, for servers that read no parts

    async def _speak(self, text: str, is_last: bool) -> None:
        """Says a part of a text, after a pause if it is not the first; an error if nothing of the text can be said."""
        sound = {"rate": self.speaker.sample_rate, "width": 2, "channels": 1}
        try:
            chunks = await self.speaker.start(f"[pause {SENTENCE_PAUSE}s]\n{text}" if self.said else text)
            self.said = True
            await self.write_event(AudioStart(**sound).event())
            async for chunk in chunks:
                await self.write_event(AudioChunk(**sound, audio=to_int16(chunk).astype("<i2").tobytes()).event())
            await self.write_event(AudioStop().event())
        except UserError as error:
            if is_last and not self.said:
                await self.write_event(Error(str(error), "invalid-text").event())


if __name__ == "__main__":
    server = AsyncServer.from_uri(*sys.argv[1:] or ["tcp://127.0.0.1:10200"])
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(server.run(partial(Handler, TurnTaker(Synthesizer(device="cpu")))))
