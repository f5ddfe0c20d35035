"""From text to sound: a plan of the text, the student's mels, the vocoder's waves, and one wave of them all."""
from synthesis.speech import SENTENCE_PAUSE, Speech, SpokenWord, Stream
from synthesis.synthesizer import CPU_CHARACTERS, VOCODERS, Synthesizer

__all__ = ["CPU_CHARACTERS", "SENTENCE_PAUSE", "VOCODERS", "Speech", "SpokenWord", "Stream", "Synthesizer"]
