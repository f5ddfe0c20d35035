"""A voice of one's own: from a folder of recordings to the weights that speak, by the trainings of this project."""
from voice.run import make_voice, starting_weights
from voice.stage import Job

__all__ = ["Job", "make_voice", "starting_weights"]
