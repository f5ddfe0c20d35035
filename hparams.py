"""Every setting of the project, as frozen dataclasses.

Axes, the same in the whole repo: B batch, N text symbols, T mel frames, M mel bands, S samples, D hidden.
Modules get their settings as arguments, from the scripts or from a weights file; none reads a default from here.
"""
import dataclasses
import math
from typing import Any


class UserError(ValueError):
    """A user's mistake. The message is one line: what, found, expected, what to do. Scripts exit with status 2."""


def _one_of(name: str, found: str, choices: tuple[str, ...]) -> None:
    """Raises ValueError if a setting is none of its choices."""
    if found not in choices:
        raise ValueError(f"{name}: found {found!r}, expected one of {', '.join(choices)}")


# Ranges: whole numbers are at least 1 and other numbers finite and at least 0, with these exceptions.
_FROM_ZERO = ("seed", "phase_steps", "warmup_steps", "spectral_steps", "n_flows", "retries", "max_jump",
              "max_stay", "joint_steps", "more_texts")
_ABOVE_ZERO = ("clip_factor", "sigma", "contrast")
_AT_MOST_1 = ("decay_start", "ema_decay", "phoneme_share", "guided_until", "adversarial_from")
_BELOW_1 = ("beta1", "beta2", "attention_dropout", "decoder_dropout")
_ODD = ("kernel_size", "encoder_kernel_size", "location_kernel_size", "postnet_kernel_size")


def _check_numbers(config: Any) -> None:
    """Raises ValueError for a number in a config that is out of its range."""
    for field in dataclasses.fields(config):
        name, value = field.name, getattr(config, field.name)
        if field.type not in (int, float):
            continue
        least = 1 if field.type is int and name not in _FROM_ZERO else 0
        violated = {f"at least {least}": not least <= value < math.inf,
                    "above 0": name in _ABOVE_ZERO and value == 0,
                    "at most 1": name in _AT_MOST_1 and value > 1,
                    "below 1": name in _BELOW_1 and value >= 1,
                    "an odd number": name in _ODD and value % 2 == 0}
        for expected, is_violated in violated.items():
            if is_violated:
                raise ValueError(f"{name}: found {value}, expected {expected}")


@dataclasses.dataclass(frozen=True)
class AudioConfig:
    """The mel definition of NVIDIA's Tacotron2 and WaveGlow. Weights made with another one are refused."""
    sample_rate: int = 22050  # Hz
    n_fft: int = 1024  # samples
    hop_length: int = 256  # samples between two mel frames
    win_length: int = 1024  # samples, Hann
    n_mels: int = 80  # bands, slaney scale and norm
    f_min: float = 0.0  # Hz
    f_max: float = 8000.0  # Hz
    log_floor: float = 1e-5  # smaller magnitudes are replaced by this before the natural log


@dataclasses.dataclass(frozen=True)
class TextConfig:
    """How text becomes symbol ids; stored in the weights of teacher and student."""
    cleaners: str = "english_reader"  # a function of text/cleaners.py
    phonemes: bool = True  # known words become ARPAbet symbols instead of letters


@dataclasses.dataclass(frozen=True)
class ReadingLimits:
    """When a teacher's reading of a text becomes a training row. One that fails is tried again, then rejected."""
    retries: int = 1  # further attempts, each with another seed
    max_steps: int = 1000  # mel frames within which the reading must stop by itself
    min_focus: float = 0.4  # mean over the frames of the largest attention weight
    min_coverage: float = 0.7  # share of the symbols attended to; silent letters get little attention
    max_jump: int = 6  # symbols between the attention peaks of neighbouring frames
    max_stay: int = 80  # frames with the peak on one symbol; 80 are 0.93 s, longer than a pause

    def __post_init__(self) -> None:
        _check_numbers(self)


@dataclasses.dataclass(frozen=True)
class DistillationConfig:
    """What decides the rows of a distilled dataset, besides the teacher and the texts. Stored in its manifest."""
    samples: int = 1  # readings of each text
    seed: int = 0
    features: bool = True  # keep the teacher's encoder output
    durations: str = "monotonic"  # from the attention: "monotonic", its best monotonic path; or "argmax", as published
    limits: ReadingLimits = ReadingLimits()

    def __post_init__(self) -> None:
        _check_numbers(self)
        _one_of("durations", self.durations, ("monotonic", "argmax"))


@dataclasses.dataclass(frozen=True)
class Tacotron2Config:
    """NVIDIA's Tacotron2 (Shen et al. 2018, arXiv 1712.05884): 28,193,153 parameters by default."""
    n_symbols: int = 148
    n_mels: int = 80
    embedding_dim: int = 512
    encoder_kernel_size: int = 5
    encoder_n_convolutions: int = 3
    encoder_dim: int = 512  # both directions together
    prenet_dim: int = 256
    attention_rnn_dim: int = 1024
    decoder_rnn_dim: int = 1024
    attention_dim: int = 128
    location_n_filters: int = 32
    location_kernel_size: int = 31
    attention_dropout: float = 0.1
    decoder_dropout: float = 0.1
    postnet_dim: int = 512
    postnet_kernel_size: int = 5
    postnet_n_convolutions: int = 5

    def __post_init__(self) -> None:
        _check_numbers(self)
        if self.encoder_dim % 2:
            raise ValueError(f"encoder_dim: found {self.encoder_dim}, expected an even number: half for each direction")
        if self.postnet_n_convolutions < 2:
            raise ValueError(f"postnet_n_convolutions: found {self.postnet_n_convolutions}, expected at least 2")


@dataclasses.dataclass(frozen=True)
class WaveGlowConfig:
    """WaveGlow (Prenger et al. 2018, arXiv 1811.00002); the defaults are NVIDIA's published 256-channel network."""
    n_mels: int = 80
    squeeze: str = "samples"  # "samples": NVIDIA's, n_group at a time; "mdct": a network at the mel rate (mel_rate.py)
    n_flows: int = 12  # coupling layers; 0 with "mdct": no flow, the mean wave alone
    n_group: int = 8  # samples squeezed into channels
    n_early_every: int = 4  # flows between two early outputs
    n_early_size: int = 2  # channels of an early output
    n_layers: int = 8  # dilated convolutions a flow
    n_channels: int = 256
    kernel_size: int = 3
    generation: str = "new"  # "new": of 2019-08 on, and "mid" once converted; "old": halves swap on odd flows
    n_blocks: int = 8  # "mdct" only, like the next three: ConvNeXt blocks
    block_channels: int = 256
    block_hidden: int = 768
    flow_channels: int = 128
    sigma: float = 0.6  # scale of the noise in synthesis, and in adversarial training

    def __post_init__(self) -> None:
        _check_numbers(self)
        _one_of("squeeze", self.squeeze, ("samples", "mdct"))
        if self.squeeze == "samples" and self.n_flows == 0:
            raise ValueError("n_flows: found 0, expected at least 1; only the squeeze mdct works without a flow")
        _one_of("generation", self.generation, ("new", "old"))


@dataclasses.dataclass(frozen=True)
class LightSpeechConfig:
    """The student: 1,867,089 parameters by default, as published; 1,867,083 with pitch."""
    n_symbols: int = 148
    n_mels: int = 80
    embedding_dim: int = 256
    encoder_dim: int = 256  # each direction
    decoder_dim: int = 128  # each direction
    pitch: bool = False  # also predict pitch, and give the decoder pitch and the position of each frame in its symbol

    def __post_init__(self) -> None:
        _check_numbers(self)


# Settings of TrainConfig that may change when a training is resumed: they do not change what is learned.
OPERATIONAL = ("log_every", "validate_every", "checkpoint_seconds")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Settings of the training loop, common to the three models."""
    steps: int = 20000  # at the last one the learning rate is final_learning_rate
    batch_size: int = 64  # rows of each process
    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-5
    warmup_steps: int = 500
    decay_start: float = 0.1  # the cosine decay begins after this share of the steps
    beta1: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 1e-6
    clip_factor: float = 3.0  # gradients are clipped at this multiple of their running mean norm
    ema_decay: float = 0.999
    seed: int = 0
    phase_steps: int = 0  # guided_until and adversarial_from are shares of these; 0: of steps. Kept by --resume
    log_every: int = 20  # steps; this and the next two are OPERATIONAL
    validate_every: int = 1000  # steps
    checkpoint_seconds: float = 120.0  # between two checkpoints

    def __post_init__(self) -> None:
        _check_numbers(self)


@dataclasses.dataclass(frozen=True)
class MelTraining(TrainConfig):
    """Settings shared by the mel-predicting models (teacher, student)."""
    max_frames: int = 1200  # longer rows are left out of training
    adversarial_weight: float = 0.0  # of the adversarial loss, against blurred mels; 0: no discriminators
    matching_weight: float = 0.1  # of the feature matching loss
    adversarial_from: float = 0.5  # the discriminators join after this share of the steps
    discriminator_rate: float = 0.2  # learning rate of the discriminators, as a multiple of learning_rate


@dataclasses.dataclass(frozen=True)
class TeacherTraining(MelTraining):
    """Training of Tacotron2."""
    max_frames: int = 1008
    phoneme_share: float = 0.5  # of the words that are read as phonemes, if the corpus has them
    guided_attention: float = 1.0  # weight of the guided-attention loss until it decays
    guided_until: float = 0.25  # share of the steps at which it has decayed to a hundredth


@dataclasses.dataclass(frozen=True)
class StudentTraining(MelTraining):
    """Training of LightSpeech."""
    mel_loss: str = "l1"  # "l1" or "l2" (the published recipe)
    duration_weight: float = 1.0
    pitch_weight: float = 1.0  # L1 on log Hz, if the model predicts pitch
    feature_weight: float = 1.0  # L1 to the teacher's encoder output; 0: not used

    def __post_init__(self) -> None:
        super().__post_init__()
        _one_of("mel_loss", self.mel_loss, ("l1", "l2"))


@dataclasses.dataclass(frozen=True)
class VocoderTraining(TrainConfig):
    """Training of WaveGlow."""
    batch_size: int = 32
    objective: str = "adversarial"  # through the inverse, noise and mel in, wave out; or "likelihood", as published
    segment: int = 8192  # samples of each row
    learning_rate: float = 5e-4
    final_learning_rate: float = 1e-5
    discriminator_rate: float = 0.4  # learning rate of the discriminators, as a multiple of learning_rate
    spectral_steps: int = 2500  # steps with spectral losses only, before the discriminators join
    mel_weight: float = 30.0
    stft_weight: float = 4.0
    feature_weight: float = 2.0
    beta1: float = 0.8
    beta2: float = 0.99
    weight_decay: float = 0.0
    decay_start: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _one_of("objective", self.objective, ("adversarial", "likelihood"))
        if self.objective == "adversarial" and self.segment < 2048:
            raise ValueError(f"segment: found {self.segment}, expected at least 2048, a window of the spectral losses")


@dataclasses.dataclass(frozen=True)
class JointConfig:
    """Student and vocoder, trained as one network. Their sizes are those of the weights that a training starts from."""
    student: LightSpeechConfig = LightSpeechConfig(pitch=True)
    vocoder: WaveGlowConfig = WaveGlowConfig(squeeze="mdct", n_flows=4, sigma=1.0)


@dataclasses.dataclass(frozen=True)
class JointTraining(StudentTraining):
    """Training of student and vocoder together. The losses of waves are weighted as in the vocoder's training."""
    steps: int = 15000
    batch_size: int = 16  # recordings
    distilled_batch_size: int = 16  # rows of --distilled beside them, for the student alone
    segment: int = 8192  # samples of each recording that the vocoder speaks
    wave_weight: float = 2.0  # norm of the waves' gradient at the student's mels, relative to that of the mels' losses
    learning_rate: float = 2e-4
    warmup_steps: int = 300
    adversarial_weight: float = 0.2
    matching_weight: float = 0.5
    adversarial_from: float = 0.0
    discriminator_rate: float = 0.5  # of the discriminators of mels; that of the waves' is the same
    feature_weight: float = 0.0
    beta1: float = 0.8
    beta2: float = 0.99
    decay_start: float = 0.0


# model -> name of a configuration -> (the model's, its training's)
CONFIGS: dict[str, dict[str, tuple[Any, TrainConfig]]] = {
    "tacotron2": {
        "default": (Tacotron2Config(), TeacherTraining()),
        "tiny": (Tacotron2Config(embedding_dim=32, encoder_dim=32, prenet_dim=16, attention_rnn_dim=64,
                                 decoder_rnn_dim=64, attention_dim=16, location_n_filters=8, postnet_dim=32),
                 TeacherTraining(steps=400, batch_size=8, warmup_steps=20, validate_every=200))},
    "waveglow": {
        "default": (WaveGlowConfig(squeeze="mdct", n_flows=4, sigma=1.0),
                    VocoderTraining(steps=50000, batch_size=16, warmup_steps=300, spectral_steps=1000)),
        "published": (WaveGlowConfig(), VocoderTraining(
            objective="likelihood", batch_size=12, learning_rate=1e-4, beta1=0.9, beta2=0.999,
            segment=16128)),  # the published 16,000 in whole frames
        "tiny": (WaveGlowConfig(n_flows=4, n_early_every=2, n_layers=3, n_channels=16, sigma=1.0),
                 VocoderTraining(steps=400, batch_size=4, segment=4096, warmup_steps=20, spectral_steps=200,
                                 validate_every=200))},
    "joint": {
        "default": (JointConfig(), JointTraining()),
        "tiny": (JointConfig(LightSpeechConfig(embedding_dim=32, encoder_dim=32, decoder_dim=32, pitch=True),
                             WaveGlowConfig(squeeze="mdct", n_flows=0, n_blocks=1, block_channels=16, block_hidden=32)),
                 JointTraining(steps=100, batch_size=4, distilled_batch_size=4, segment=4096, warmup_steps=20,
                               validate_every=50))},
    "lightspeech": {
        "default": (LightSpeechConfig(pitch=True),
                    StudentTraining(steps=14000, adversarial_weight=0.2, matching_weight=0.5, adversarial_from=0.1,
                                    discriminator_rate=0.5, beta1=0.8, beta2=0.99)),
        "tiny": (LightSpeechConfig(embedding_dim=32, encoder_dim=32, decoder_dim=32, pitch=True),
                 StudentTraining(steps=400, batch_size=8, warmup_steps=20, validate_every=200, feature_weight=0.0))},
}


@dataclasses.dataclass(frozen=True)
class VoiceConfig:
    """A voice made of recordings: how they are prepared, and the steps of each training. See voice/."""
    trim: bool = True  # cut long silence from the ends of the recordings
    phoneme_share: float = 1.0  # of the rows that are read as phonemes in training; 0: all in letters
    samples: int = 1  # versions of each text that the student learns: the recording, and samples - 1 readings of it
    more_texts: int = 7420  # of voice/texts.csv, from the first on, that the teacher reads for the student; 0: none
    teacher_steps: int = 2500
    student_steps: int = 4500
    vocoder_steps: int = 10000
    joint_steps: int = 0  # of student and vocoder as one network, at the end; 0: none. It made our voice less natural
    contrast: float = 1.15  # quiet parts of the finished student's mels get quieter by this; 1: as it learned them
    networks: str = "default"  # named settings of the three trainings, and of the networks that begin from nothing
    limits: ReadingLimits = ReadingLimits()  # of readings and alignments

    def __post_init__(self) -> None:
        _check_numbers(self)
        _one_of("networks", self.networks, tuple(CONFIGS["tacotron2"]))


VOICE_CONFIGS = {
    "default": VoiceConfig(),
    "tiny": VoiceConfig(more_texts=0, teacher_steps=40, student_steps=40, vocoder_steps=40, joint_steps=40,
                        networks="tiny", limits=ReadingLimits(max_steps=200, min_focus=0, min_coverage=0, max_jump=1000,
                                                              max_stay=1000))}
