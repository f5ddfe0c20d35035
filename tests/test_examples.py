"""The examples, each with a real client of its protocol, with the voice that ships."""
import asyncio
import gc
import io
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import openai
import pytest
import soundfile
import soxr
import uvicorn
from wyoming.client import AsyncTcpClient
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.server import AsyncServer
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop

from examples.openai_server import make_app
from examples.turns import TurnTaker
from examples.wyoming_server import Handler
from synthesis import SENTENCE_PAUSE, Stream, Synthesizer

ROOT = Path(__file__).resolve().parents[1]
TEXTS = ["Hello there.", "Are you well? Yes, I am.", "At 10:30 a.m., it rained.", "One. Two. Three."] * 2


@pytest.fixture(scope="module")
def speaker() -> Synthesizer:
    return Synthesizer(device="cpu")


@pytest.fixture(scope="module")
def client() -> Iterator[openai.OpenAI]:
    server = uvicorn.Server(uvicorn.Config(make_app(), log_level="warning"))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0,
                       http_client=openai.DefaultHttpxClient(trust_env=False)) as client:
        yield client
    server.should_exit = True
    thread.join()


def spoken(client: openai.OpenAI, text: str, **options) -> bytes:
    return client.audio.speech.create(model="any", voice="alloy", input=text, **options).read()


def pcm(data: bytes) -> np.ndarray:
    return np.frombuffer(data, "<i2") / 32768


def test_speaking_from_python(tmp_path) -> None:
    done = subprocess.run([sys.executable, "-m", "examples.speak"], cwd=tmp_path, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert [line.split(": ")[1] for line in done.stdout.splitlines()] == ["Hello", "from", "Python"], done.stderr
    assert 0.5 < soundfile.info(tmp_path / "hello.wav").duration < 3


@pytest.mark.parametrize("kind", ["pcm", "wav", "flac", "mp3", "opus", None])
def test_openai_formats_have_the_sound_of_the_synthesizer(client, speaker, kind) -> None:
    data = spoken(client, TEXTS[1], speed=1.2, **({"response_format": kind} if kind else {}))
    expected = soxr.resample(speaker.speak(TEXTS[1], speed=1.2).wave, 22050, 24000)
    wave, rate = (pcm(data), 24000) if kind == "pcm" else soundfile.read(io.BytesIO(data))
    if kind in ("pcm", "wav", "flac"):
        assert rate == 24000 and abs(len(wave) - len(expected)) <= 1
        np.testing.assert_allclose(wave[:len(expected)], expected[:len(wave)], atol=2e-3)
    else:
        assert soundfile.info(io.BytesIO(data)).subtype == ("OPUS" if kind == "opus" else "MPEG_LAYER_III")
        assert abs(len(wave) / rate - len(expected) / 24000) < 0.15
        assert 0.9 < np.std(wave) / np.std(expected) < 1.1


def test_openai_sends_the_sound_while_it_is_made(client, monkeypatch) -> None:
    heard, stream = threading.Event(), Synthesizer.stream

    def halting(self, *args):
        made = stream(self, *args)
        chunks = made.chunks

        def wait():
            yield next(chunks)  # the silence before the text
            yield next(chunks)
            assert heard.wait(10)  # goes on when the client has got the first sound
            yield from chunks
        made.chunks = wait()
        return made
    monkeypatch.setattr(Synthesizer, "stream", halting)
    with client.audio.speech.with_streaming_response.create(model="any", voice="alloy", input="Hello. " * 4,
                                                            response_format="pcm") as response:
        parts = response.iter_bytes()
        size = len(next(parts))
        heard.set()
        assert 0 < size < sum(map(len, parts))


def test_eight_openai_clients_get_what_one_gets(client) -> None:
    alone = [spoken(client, text, response_format="pcm") for text in TEXTS]
    with ThreadPoolExecutor(len(TEXTS)) as pool:
        assert list(pool.map(lambda text: spoken(client, text, response_format="pcm"), TEXTS)) == alone


@pytest.mark.parametrize("options, found", [
    ({"input": ""}, "the text is empty"), ({"input": "\u2603"}, "\u2603"), ({"input": 5}, "the text as \"input\""),
    ({"input": "A [pause 2h] b."}, "[pause 2h]"), ({"speed": 9}, "speed: found 9, expected a number from 0.25 to 4"),
    ({"speed": "fast"}, "speed: found 'fast'"), ({"response_format": "aac"}, "expected wav, pcm, mp3, opus, flac"),
    ({"stream_format": "sse"}, "stream_format"),
    ({"input": "a" * 4097}, "input: found 4097 characters, expected at most 4096")])
def test_openai_mistakes_are_told_in_one_line(client, options, found) -> None:
    with pytest.raises(openai.BadRequestError) as told:
        client.audio.speech.create(**{"model": "any", "voice": "alloy", "input": "Hi.", **options})
    assert found in told.value.body["message"] and "\n" not in told.value.body["message"]


@pytest.mark.parametrize("body", [b"", b"[1]", b"\xff", b"[" * 100000, b'{"text": "Hi."}'])
def test_openai_requests_that_are_none_are_refused(client, body) -> None:
    with pytest.raises(openai.BadRequestError, match="expected a JSON object"):
        client.post("/audio/speech", cast_to=object, content=body)


@pytest.mark.parametrize("in_parts", [False, True])
def test_openai_requests_that_are_too_long_are_refused(client, in_parts) -> None:
    body = json.dumps({"input": "Hi.", "instructions": "a" * 2**18}).encode()
    with pytest.raises(openai.APIStatusError) as told:
        client.post("/audio/speech", cast_to=object, content=iter([body]) if in_parts else body)
    assert (told.value.status_code, told.value.body) == (413, "Content Too Large")


def test_the_longest_openai_input_is_said(client, monkeypatch) -> None:
    def one_sample_each(self, text, speed):
        return Stream(iter([np.ones(len(text), np.float32)]), [])
    monkeypatch.setattr(Synthesizer, "stream", one_sample_each)
    assert len(pcm(spoken(client, "\u2603" * 4096, response_format="pcm"))) == round(4096 * 24000 / 22050)


async def converse(port: int, *requests, last: str = "audio-stop") -> list[Event]:
    """Returns what the server answers up to an event of the type `last`, or an error."""
    events: list[Event] = []
    async with AsyncTcpClient("127.0.0.1", port, connect_timeout=30, read_timeout=20) as client:
        for request in requests:
            await client.write_event(request.event())
        while not events or events[-1].type not in (last, "error"):
            event = await client.read_event()
            assert event is not None, "the server has closed the connection"
            events.append(event)
    return events


def with_server(speaker: Synthesizer, talk) -> list:
    """Returns the result of the coroutine function `talk`, which gets the port of a Wyoming server."""
    async def run() -> list:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        server = AsyncServer.from_uri(f"tcp://127.0.0.1:{port}")
        await server.start(partial(Handler, TurnTaker(speaker)))
        try:
            return await talk(port)
        finally:
            await server.stop()
    return asyncio.run(run())


def sound(events: list[Event]) -> np.ndarray:
    return pcm(b"".join(event.payload for event in events if event.type == "audio-chunk"))


def test_wyoming_tells_its_voice_and_says_a_text_in_parts(speaker) -> None:
    described, = with_server(speaker, lambda port: converse(port, Describe(), last="info"))
    program, = Info.from_event(described).tts
    assert program.supports_synthesize_streaming and program.voices[0].languages == ["en"]
    events = with_server(speaker, lambda port: converse(port, Synthesize(TEXTS[1])))
    types = [event.type for event in events]
    assert types[0] == "audio-start" and types[-1] == "audio-stop" and types.count("audio-chunk") > 1
    assert events[0].data["rate"] == 22050 and events[0].data["width"] == 2
    np.testing.assert_allclose(sound(events), speaker.speak(TEXTS[1]).wave, atol=1e-4)


def test_wyoming_says_a_text_while_it_is_written(speaker) -> None:
    text = "Dr. Brown is here. He paid $3.50 for it. Good bye"
    parts = [SynthesizeChunk(text[start:start + 5]) for start in range(0, len(text), 5)]

    async def talk(port: int) -> list[Event]:
        async with AsyncTcpClient("127.0.0.1", port, read_timeout=20) as client:
            for request in (SynthesizeStart(), *parts[:6]):  # "... is here. He paid $"
                await client.write_event(request.event())
            first = [await client.read_event()]
            while first[-1].type != "audio-stop":
                first.append(await client.read_event())
            for request in (*parts[6:], Synthesize(text), SynthesizeStop()):  # as Home Assistant does
                await client.write_event(request.event())
            rest = [await client.read_event()]
            while rest[-1].type != "synthesize-stopped":
                rest.append(await client.read_event())
        return [sound(first), sound(first + rest)]
    first, whole = with_server(speaker, talk)
    np.testing.assert_allclose(first, speaker.speak("Dr. Brown is here.").wave, atol=1e-4)
    # Each sentence is the first one of a text of its own, on which the noise of the vocoder depends.
    later = [speaker.speak(f"[pause {SENTENCE_PAUSE}s]\n{part}").wave for part in ("He paid $3.50 for it.", "Good bye")]
    np.testing.assert_allclose(whole, np.concatenate((speaker.speak("Dr. Brown is here.").wave, *later)), atol=1e-4)
    assert len(whole) == len(speaker.speak(text).wave)


def test_eight_wyoming_clients_get_what_one_gets(speaker) -> None:
    async def talk(port: int) -> list:
        alone = [await converse(port, Synthesize(text)) for text in TEXTS]
        return [alone, await asyncio.gather(*(converse(port, Synthesize(text)) for text in TEXTS))]
    alone, together = with_server(speaker, talk)
    assert [sound(events).tolist() for events in together] == [sound(events).tolist() for events in alone]


def test_a_wyoming_client_that_leaves_disturbs_nobody(speaker, caplog) -> None:
    async def talk(port: int) -> list[Event]:
        async with AsyncTcpClient("127.0.0.1", port) as client:
            await client.write_event(Synthesize("A long text. " * 30).event())
            await client.read_event()
        events = await converse(port, Synthesize(TEXTS[0]))
        while len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0.01)
        return events
    assert len(sound(with_server(speaker, talk))) == len(speaker.speak(TEXTS[0]).wave)
    gc.collect()  # asyncio reports an error that nobody has fetched when its task is deleted
    assert not caplog.records


@pytest.mark.parametrize("requests", [[Synthesize("\u2603")], [SynthesizeStart(), SynthesizeStop()]])
def test_wyoming_reports_a_text_that_cannot_be_said(speaker, requests) -> None:
    async def talk(port: int) -> list[Event]:
        return [*await converse(port, *requests), *await converse(port, Synthesize("Hi."))]
    error, *events = with_server(speaker, talk)
    assert error.type == "error" and error.data["text"] and "\n" not in error.data["text"]
    assert events[-1].type == "audio-stop"
