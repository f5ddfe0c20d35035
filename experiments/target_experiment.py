"""What is fixed in the experiment of targets.py: its students, their sizes and recipe, and its folders."""
import dataclasses
from pathlib import Path
from typing import NamedTuple

from distillation.dataset import DistilledDataset
from experiments.target_sets import MEL_TARGETS, SETS, Source
from hparams import LightSpeechConfig
from runtime.weights import identity

SIZES = {"small": LightSpeechConfig(embedding_dim=100, encoder_dim=100, decoder_dim=50),
         "published": LightSpeechConfig(),
         "large": LightSpeechConfig(embedding_dim=536, encoder_dim=536, decoder_dim=268)}


class Cell(NamedTuple):
    """The targets and the size of a student."""
    targets: str  # one of SETS
    size: str  # a key of Experiment.sizes
    features: bool  # whether the loss on the teacher's encoder output is used

    @property
    def name(self) -> str:
        """The name of its folder and in tables, without the seed."""
        return f"{self.targets}-{self.size}{'-features' if self.features else ''}"


CELLS = (*(Cell(targets, "large", False) for targets in MEL_TARGETS),  # first, because they take longest
         *(Cell(targets, "published", features) for targets in SETS for features in (False, True)),
         *(Cell(targets, "small", False) for targets in MEL_TARGETS))


@dataclasses.dataclass(frozen=True)
class Experiment:
    """All settings of the experiment."""
    data: Path  # corpus in LJSpeech's layout
    work: Path  # for target sets, students and their speech; large
    out: Path  # tables and plots
    teacher: Path
    vocoder: Path
    steps: int = 4500
    seeds: tuple[int, ...] = (0, 1, 2)
    cells: tuple[Cell, ...] = CELLS
    sizes: dict[str, LightSpeechConfig] = dataclasses.field(default_factory=lambda: SIZES)
    spoken: int = 24  # held-out texts whose mels and waves are written
    repeats: int = 4  # readings of a text by the teacher, to measure how much they differ
    reading: tuple[str, ...] = ()  # options of preprocess.py
    training: tuple[str, ...] = ("--mel-loss", "l2", "--adversarial-weight", "0", "--beta1", "0.9", "--beta2",
                                 "0.999")  # options of train.py, the same for all students

    @property
    def source(self) -> Source:
        """Settings of the target sets."""
        return Source(self.data, self.work / "sets", self.teacher, self.repeats, self.reading)

    def weights(self) -> list[str]:
        """Returns the identities of the teacher's and the vocoder's weights."""
        return [identity(path) for path in (self.teacher, self.vocoder)]

    def folder(self, name: str) -> Path:
        """Returns the folder of a student or a reference, for its speech and its figures.json."""
        return self.work / "students" / name

    def read(self, group: str, name: str) -> DistilledDataset:
        """Reads a target set without encoder features; group: "train", "heldout" or "repeats"."""
        return DistilledDataset.read(self.source.folder / group / name, with_features=False)
