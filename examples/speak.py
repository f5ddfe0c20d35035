"""Speak from Python: python -m examples.speak writes hello.wav."""
from pathlib import Path

from audio import write_wav
from synthesis import Synthesizer

speech = Synthesizer(device="cpu").speak("Hello from Python.", speed=1.1)
write_wav(Path("hello.wav"), speech.wave, speech.sample_rate)
for word in speech.words:
    print(f"{word.start:.2f} to {word.end:.2f} s: {word.text}")
