"""What a stage of making a voice is, and the paths that all stages share."""
import dataclasses
from collections.abc import Callable
from pathlib import Path

from hparams import VoiceConfig

Watch = Callable[[int], None]  # called with the number of finished steps


@dataclasses.dataclass(frozen=True)
class Job:
    """What a voice is made of, and where."""
    data: Path  # the user's recordings, in LJSpeech's layout
    out: Path  # the voice's folder
    config: VoiceConfig
    init: dict[str, Path]  # model -> released weights to start from; empty: from nothing
    texts: tuple[Path, ...] = ()  # the user's texts for the teacher to read, beside those of config.more_texts
    device: str = "auto"

    @property
    def work(self) -> Path:
        """The folder of everything that is only needed to make the voice."""
        return self.out / "work"

    @property
    def recordings(self) -> Path:
        """The prepared recordings, in LJSpeech's layout."""
        return self.work / "recordings"

    @property
    def distilled(self) -> Path:
        """What the student learns from."""
        return self.work / "distilled"

    def weights(self, stage: str) -> Path:
        """Returns the released file of a finished training of one network."""
        return self.work / f"{stage}.safetensors"

    @property
    def joint_weights(self) -> Path:
        """The folder of student and vocoder after their training as one network."""
        return self.work / "joint-weights"


@dataclasses.dataclass(frozen=True)
class Stage:
    """A part of the work. A stage that was stopped goes on when it is run again."""
    name: str
    what: str  # in the plan
    seconds: float  # expected: on an H100, or as measured on the CPU
    run: Callable[[Job, Watch], bool]  # returns False if a signal stopped it
    steps: int = 0  # of a training
    model: str = ""  # that is trained
