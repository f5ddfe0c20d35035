"""The stages of making a voice, in order. Each training is one of train.py's, from the weights that ship."""
import dataclasses
from pathlib import Path
from typing import Any

from audio.recordings import split_lines
from distillation.dataset import read_records
from distillation.manifest import MANIFEST_NAME, read_manifest
from distillation.recordings import add_recordings
from distillation.run import RunSettings, distil
from hparams import CONFIGS, DistillationConfig, ReadingLimits, TrainConfig
from runtime.console import print_notice
from runtime.files import copy_file, make_folder, write_text
from training.checkpoint import find_checkpoint
from training.export import NETWORKS, export, export_joint
from training.run import train
from voice.page import write_voice
from voice.recordings import prepare
from voice.stage import Job, Stage, Watch

# Lines name|text for the teacher to read, in random order, made by experiments/write_texts.py.
MORE_TEXTS = Path(__file__).with_name("texts.csv")
# From released weights: smaller learning rates and a short warm-up. From nothing the models' own defaults are used.
FINE_TUNING: dict[str, dict[str, Any]] = {
    "tacotron2": {"learning_rate": 3e-4, "batch_size": 48, "warmup_steps": 100},
    "lightspeech": {"learning_rate": 5e-4, "warmup_steps": 200},
    "waveglow": {"learning_rate": 3e-4, "warmup_steps": 300}}
# On an H100; of the joint training on an H200.
STEPS_PER_SECOND = {"tacotron2": 28.0, "lightspeech": 29.0, "waveglow": 50.0, "joint": 20.0}
TEXTS_PER_SECOND = {"cuda": 250.0, "cpu": 1.0}  # that a teacher reads on an H100, and on two cores
START_SECONDS = 30.0  # of a training: reading recordings, compiling, validations
NO_LIMITS = ReadingLimits(max_steps=10**6, min_focus=0, min_coverage=0, max_jump=10**6, max_stay=10**6)
VALIDATIONS = 10  # of a training
SPECTRAL_SHARE = 50  # the vocoder's discriminators join after this part of the steps
TEACHER_SHARPENING = 1.15  # see training/sharpening.py; only for readings


def all_stages(job: Job) -> list[Stage]:
    """Returns the stages of a job in order. A later one may use all that earlier ones have written to job.work."""
    start = "from the weights that ship" if job.init else "from nothing"

    def training(name: str, model: str, steps: int, what: str) -> Stage:
        """Returns the stage of a training."""
        return Stage(name, f"{what}, {start}: {steps} steps", START_SECONDS + steps / STEPS_PER_SECOND[model],
                     lambda job, watch: _train(job, name, model, watch), steps, model)

    config = job.config
    return [
        Stage("recordings", "look at the recordings, leave out what does not fit, "
              f"{'trim the ends, ' if config.trim else ''}even the loudness", 30, _prepare),
        training("teacher", "tacotron2", config.teacher_steps, "the teacher learns text and voice"),
        Stage("align", "the teacher finds how long each sound of the recordings lasts", 30, _align),
        *([Stage("read", "the teacher reads texts", seconds_of_reading(job, "cuda"), _read)] if _reads(job) else []),
        training("student", "lightspeech", config.student_steps, "the student learns the recordings' mels"
                 + (" and the readings" if _reads(job) else "")),
        training("vocoder", "waveglow", config.vocoder_steps, "the vocoder learns the recordings' sound"),
        *([Stage("joint", f"student and vocoder learn the recordings as one network: {config.joint_steps} steps",
                 START_SECONDS + config.joint_steps / STEPS_PER_SECOND["joint"], _train_joint, config.joint_steps,
                 "joint")] if _has_joint(job) else []),
        Stage("voice", "write the voice, its listening page and its report", 30,
              lambda job, watch: write_voice(job, _finished_weights(job)))]


def seconds_of_reading(job: Job, device: str) -> float:
    """Returns how many seconds the teacher is expected to read config.more_texts; device: "cuda" or "cpu"."""
    return START_SECONDS + job.config.more_texts / TEXTS_PER_SECOND[device]


def _has_joint(job: Job) -> bool:
    """Returns whether student and vocoder are trained as one network too: only a vocoder at the mel rate can be."""
    return job.config.joint_steps > 0 and settings_of(job, "waveglow")[0].squeeze == "mdct"


def _finished_weights(job: Job) -> dict[str, Path]:
    """Returns model -> the weights of the voice: those of the last training that changed them."""
    if _has_joint(job):
        return {model: job.joint_weights / f"{model}.safetensors" for model in ("lightspeech", "waveglow")}
    return {"lightspeech": job.weights("student"), "waveglow": job.weights("vocoder")}


def settings_of(job: Job, model: str) -> tuple[Any, TrainConfig]:
    """Returns the settings of the network, those of the weights that it starts from, and of its training."""
    joint = CONFIGS["joint"][job.config.networks][0]
    network = {"lightspeech": joint.student, "waveglow": joint.vocoder}.get(
        model, CONFIGS[model][job.config.networks][0])
    training = CONFIGS[model][job.config.networks][1]
    if job.init:
        network = NETWORKS[model][0].load(job.init[model]).config
    config = job.config
    steps = {"tacotron2": config.teacher_steps, "lightspeech": config.student_steps,
             "waveglow": config.vocoder_steps}[model]
    changes: dict[str, Any] = {"steps": steps, "validate_every": max(1, steps // VALIDATIONS)}
    if model == "tacotron2":
        changes["phoneme_share"] = config.phoneme_share
    if model == "waveglow":
        changes["spectral_steps"] = steps // SPECTRAL_SHARE
    return network, dataclasses.replace(training, **changes, **(FINE_TUNING[model] if job.init else {}))


def _prepare(job: Job, watch: Watch) -> bool:
    """Prepares the recordings."""
    prepare(job.data, job.recordings, job.config.trim, print_notice)
    return True


def _train(job: Job, name: str, model: str, watch: Watch) -> bool:
    """Trains a model to its last step, from its checkpoint if there is one, and exports its weights."""
    network, settings = settings_of(job, model)
    folder = job.work / name
    data = job.distilled if model == "lightspeech" else job.recordings
    if not train(model, network, settings, data, folder, device=job.device, init=job.init.get(model),
                 resume=find_checkpoint(folder) is not None, watch=watch):
        return False
    sharpened = model == "tacotron2" and _reads(job)
    export(model, folder, job.weights(name), sharpening=(job.recordings, TEACHER_SHARPENING) if sharpened else None,
           device=job.device)
    return True


def _train_joint(job: Job, watch: Watch) -> bool:
    """Trains student and vocoder as one network, on the recordings with the durations of the teacher's alignment."""
    start, aligned, folder = (make_folder(job.work / name) for name in ("joint-start", "aligned", "joint"))
    for model, stage in (("lightspeech", "student"), ("waveglow", "vocoder")):
        copy_file(job.weights(stage), start / f"{model}.safetensors")
    _align_with_held_out(job, aligned)
    network, settings = CONFIGS["joint"][job.config.networks]
    settings = dataclasses.replace(settings, steps=job.config.joint_steps,
                                   validate_every=max(1, job.config.joint_steps // VALIDATIONS))
    if not train("joint", network, settings, job.recordings, folder, device=job.device, mels=aligned,
                 distilled=job.distilled if _reads(job) else None, init=start,
                 resume=find_checkpoint(folder) is not None, watch=watch):
        return False
    export_joint(folder, job.joint_weights)
    return True


def _align_with_held_out(job: Job, folder: Path) -> None:
    """Aligns all recordings, under the limits of the job; without limits if these leave no held-out recording."""
    training, held_out = split_lines(job.recordings)

    def align(limits: ReadingLimits) -> bool:
        """Returns whether a held-out recording was aligned under these limits."""
        add_recordings(job.recordings, folder, job.weights("teacher"), DistillationConfig(
            features=False, limits=limits), job.device, [*training, *held_out])
        records = read_records(folder).rows
        return any(not records[line.name, 0].reason for line in held_out)

    used = read_manifest(folder).limits if (folder / MANIFEST_NAME).exists() else None  # of a run that was stopped
    if not align(used or job.config.limits) and used != NO_LIMITS:
        print_notice("no held-out recording is aligned in order; now all recordings are used")
        align(NO_LIMITS)


def _reads(job: Job) -> bool:
    """Returns whether the teacher reads texts for the student."""
    return job.config.samples > 1 or job.config.more_texts > 0 or bool(job.texts)


def distillation_config(job: Job) -> DistillationConfig:
    """Returns the settings of the rows that the student learns from."""
    return DistillationConfig(job.config.samples, limits=job.config.limits)


def _align(job: Job, watch: Watch) -> bool:
    """Makes rows of the recordings, with the durations of the teacher's alignment."""
    aligned = add_recordings(job.recordings, job.distilled, job.weights("teacher"), distillation_config(job),
                             job.device)
    print_notice(f"{aligned.kept} recordings aligned; {aligned.rejected} left out, whose alignment is not in order")
    return True


def _read(job: Job, watch: Watch) -> bool:
    """Adds the teacher's readings: of the recordings' texts if config.samples asks for them, and of more texts."""
    texts = [job.recordings, *job.texts]
    if job.config.more_texts:
        lines = MORE_TEXTS.read_text(encoding="utf-8").splitlines(keepends=True)
        write_text(job.work / MORE_TEXTS.name, "".join(lines[:job.config.more_texts]))
        texts.append(job.work / MORE_TEXTS.name)
    settings = RunSettings(texts, job.distilled, job.weights("teacher"), distillation_config(job), device=job.device)
    return distil(settings, print_notice).finished


def inputs(job: Job) -> list[Path]:
    """Returns the files whose content decides what is made, besides the recordings themselves."""
    return [path for path in (job.data / "metadata.csv", job.data / "heldout.csv", *job.texts) if path.exists()]
