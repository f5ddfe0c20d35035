"""A server of OpenAI's POST /v1/audio/speech, for programs that speak through the `openai` package or its protocol.

    pip install -r examples/requirements.txt
    uvicorn --factory examples.openai_server:make_app --port 8000        # base_url="http://127.0.0.1:8000/v1"

The default format is mp3. Texts have at most 4096 characters. `model`, `voice` and `instructions` are ignored.
"""
import asyncio
import io
import json
from collections.abc import AsyncIterator

import numpy as np
import soundfile
import soxr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from audio.files import to_int16, wav_header
from examples.turns import TurnTaker
from hparams import UserError
from synthesis import Synthesizer

RATE = 24000  # Hz: what clients expect of pcm, which has no header
MOST_CHARACTERS, MOST_BYTES = 4096, 2**18  # of an input, as OpenAI has it; of a whole request
WHOLE = {"mp3": ("MP3", "MPEG_LAYER_III"), "opus": ("OGG", "OPUS"), "flac": ("FLAC", "PCM_16")}  # of libsndfile
MEDIA = {"wav": "audio/wav", "pcm": "audio/pcm", "mp3": "audio/mpeg", "opus": "audio/ogg", "flac": "audio/flac"}


def make_app() -> Starlette:
    """Returns the application, with the voice that ships loaded."""
    speaker = TurnTaker(Synthesizer(device="cpu"))

    async def speech(request: Request) -> Response:
        """Answers a request: sound while it is made for wav and pcm, a finished file for the other formats."""
        text, kind, speed = _read_request(await request.body())
        samples = _samples(await speaker.start(text, speed), speaker.sample_rate, kind == "wav")
        if kind not in WHOLE:
            return StreamingResponse(samples, media_type=MEDIA[kind])
        sound, (form, encoding) = io.BytesIO(), WHOLE[kind]
        wave = np.frombuffer(b"".join([block async for block in samples]), "<i2")
        await asyncio.to_thread(soundfile.write, sound, wave, RATE, encoding, format=form)
        return Response(sound.getvalue(), media_type=MEDIA[kind])

    def refuse(_: Request, error: Exception) -> Response:
        return JSONResponse({"error": {"message": str(error), "type": "invalid_request_error"}}, status_code=400)
    return Starlette(routes=[Route("/v1/audio/speech", speech, methods=["POST"])], max_body_size=MOST_BYTES,
                     exception_handlers={UserError: refuse})


def _read_request(body: bytes) -> tuple[str, str, float]:
    """Returns text, format and speed of a request. Raises UserError if one of them is not as expected."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict) or not isinstance(fields.get("input"), str):
        raise UserError('the request: expected a JSON object with the text as "input"')
    if len(fields["input"]) > MOST_CHARACTERS:
        raise UserError(f"input: found {len(fields['input'])} characters, expected at most {MOST_CHARACTERS}; split it")
    kind, speed = fields.get("response_format", "mp3"), fields.get("speed", 1.0)
    if not isinstance(kind, str) or kind not in MEDIA:
        raise UserError(f"response_format: found {kind!r:.40}, expected {', '.join(MEDIA)}")
    if not isinstance(speed, int | float) or not 0.25 <= speed <= 4:
        raise UserError(f"speed: found {speed!r:.40}, expected a number from 0.25 to 4")
    if fields.get("stream_format", "audio") != "audio":
        raise UserError(f"stream_format: found {fields['stream_format']!r:.40}, expected 'audio'")
    return fields["input"], kind, speed


async def _samples(chunks: AsyncIterator[np.ndarray], rate: int, header: bool) -> AsyncIterator[bytes]:
    """Yields the header of a wav, or none, then chunks (S,) float32 of `rate` Hz as 16-bit samples of RATE."""
    yield wav_header(RATE) if header else b""
    resampler = soxr.ResampleStream(rate, RATE, 1, dtype="float32")
    async for chunk in chunks:
        yield to_int16(resampler.resample_chunk(chunk)).astype("<i2").tobytes()
    yield to_int16(resampler.resample_chunk(np.zeros(0, np.float32), last=True)).astype("<i2").tobytes()
