"""How far a voice is, and how long the rest will take."""
import time
from collections.abc import Callable, Sequence

from voice.stage import Stage

EVERY_SECONDS = 30.0  # between two lines


def duration(seconds: float) -> str:
    """Returns a duration in words, such as "40 s", "12 min" or "7.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


class Progress:
    """Tells the stage, its progress and the remaining time over all stages.

    Estimates begin as the stages' own. The rest of a training follows from its pace so far, and later stages are
    scaled by the ratio of measured to estimated times of the trainings that were run.
    """

    def __init__(self, stages: Sequence[Stage], tell: Callable[[str], None],
                 clock: Callable[[], float] = time.monotonic) -> None:
        self.stages, self.tell, self.clock = list(stages), tell, clock
        self.number = 0  # of the current stage
        self.measured = self.expected = 0.0  # seconds of the finished trainings
        self.began = self.told = clock()
        self.first: tuple[int, float] | None = None  # step and time at which the pace was first looked at
        self.step = 0

    def begin(self, number: int) -> None:
        """Starts a stage, by its number in `stages`."""
        self.number, self.step, self.first = number, 0, None
        self.began = self.clock()
        self._tell("begins")

    def watch(self, step: int) -> None:
        """Notes the number of finished steps of the current training."""
        self.step = step
        self.first = self.first or (step, self.clock())
        if self.clock() - self.told >= EVERY_SECONDS:
            self._tell(f"{step / max(1, self.stages[self.number].steps):.0%}")

    def end(self, resumed: bool) -> float:
        """Ends the stage and returns its seconds; resumed: it was begun by an earlier run, so its time says nothing."""
        stage, seconds = self.stages[self.number], self.clock() - self.began
        if stage.steps and not resumed:
            self.measured, self.expected = self.measured + seconds, self.expected + stage.seconds
        return seconds

    def remaining(self) -> float:
        """Returns the expected seconds until the last stage ends."""
        scale = self.measured / self.expected if self.expected else 1.0
        stage, now = self.stages[self.number], self.clock()
        later = scale * sum(stage.seconds for stage in self.stages[self.number + 1:])
        if self.first and self.step > self.first[0]:
            pace = (now - self.first[1]) / (self.step - self.first[0])
            return later + pace * (stage.steps - self.step)
        return later + max(0.0, scale * stage.seconds - (now - self.began))

    def _tell(self, state: str) -> None:
        """Prints a line."""
        stage = self.stages[self.number]
        self.told = self.clock()
        self.tell(f"stage {self.number + 1} of {len(self.stages)}, {stage.name}: {state}; about "
                  f"{duration(self.remaining())} left in all")
