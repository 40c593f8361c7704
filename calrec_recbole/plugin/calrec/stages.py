"""The two stages of 3.3, and what the second asks of the run that it starts from."""

from pathlib import Path
from typing import Any

from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.calrec.core_settings import CALRecSettings
from calrec_recbole.plugin.calrec.joint_data import held_out_items
from calrec_recbole.plugin.data.prepared import Prepared
from calrec_recbole.plugin.train_stages import JOINT
from calrec_recbole.runs.run_folder import CHECKPOINT, SAMPLES_FILE, TRAINED_ON
from calrec_recbole.runs.user_samples import UserSamples, origin_of, read_samples
from calrec_recbole.setting_files import read_settings
from calrec_recbole.stored_files import read_json
from calrec_recbole.training.best_weights import weights_name

__all__ = ["TRAINED_ON", "check_stage", "samples_before", "starting_weights", "trained_on_before"]

OF_JOINT = ("joint_datasets", "joint_targets", "selection_dataset")
OBJECTIVE = ("alpha", "beta", "tau_c")  # paper 3.3: "In both stages, the training objective is the same"


def check_stage(settings: CALRecSettings, prepared: Prepared) -> None:
    """Raises ``ConfigError`` where ``train_stage`` and what it reads do not fit together; reads no weights."""
    stage = settings.stage
    if stage.train_stage == JOINT:
        held_out_items(prepared.name, stage)
        if stage.pre_model_path:
            raise ConfigError("pre_model_path is for train_stage=finetune; give a joint stage its start as backbone=")
        return
    for setting in OF_JOINT:
        if value := getattr(stage, setting):
            raise ConfigError(f"{setting}={value!r} needs train_stage=joint, not {stage.train_stage}")
    if stage.pre_model_path:
        run = _run_of(starting_weights(stage.pre_model_path))
        _check_objective(settings, run)
        _check_leak(prepared, run)


def starting_weights(pre_model_path: str | Path) -> Path:
    """The transformers folder behind ``pre_model_path``: the best one of a run, or a run's ``checkpoint/step-N``."""
    path = Path(pre_model_path).expanduser()
    for folder in (path / CHECKPOINT / "best", path):
        if (folder / "model.safetensors").is_file() and (folder / "config.json").is_file():
            return folder
    kept = sorted(folder.name for folder in (path / CHECKPOINT).glob("step-*"))
    hint = f"; it keeps {', '.join(kept)}" if kept else ""
    raise ConfigError(
        f"pre_model_path={pre_model_path} holds no weights: give a run folder with checkpoint/best, or one of its "
        f"checkpoint/step-N{hint}"
    )


def _run_of(weights: Path) -> Path:
    run = weights.absolute().parent.parent
    if not (run / "config.yaml").is_file():
        raise ConfigError(f"pre_model_path={weights} lies in no run folder; give a plain model folder as backbone=")
    return run


def _check_objective(settings: CALRecSettings, run: Path) -> None:
    before = read_settings(run / "config.yaml")
    own = {name: getattr(settings.training, name) for name in OBJECTIVE}
    other = [f"{name}={value} after {before.get(name)}" for name, value in own.items() if value != before.get(name)]
    if other and not settings.stage.allow_other_objective:
        raise ConfigError(
            f"{', '.join(other)} in {run}: both stages have one objective (paper 3.3); "
            "set them alike, or allow_other_objective=true"
        )


def _check_leak(prepared: Prepared, run: Path) -> None:
    """Refuses a run that was trained, in any of its stages, on what this one validates or tests on."""
    name, digest = prepared.name, prepared.hashes["inter"]
    for category, seen in _trained_on(run).items():
        if (category == name or seen["inter_sha256"] == digest) and seen["held_out"] < 2:
            raise ConfigError(
                f"pre_model_path={run} was trained on the validation or test items of {name} (as {category}, "
                f"{seen['held_out']} held out): run stage I again with joint_targets=[{category}]"
            )


def trained_on_before(pre_model_path: str) -> dict[str, Any]:
    """The data sets behind the weights that a run starts from, by name."""
    return _trained_on(_run_of(starting_weights(pre_model_path))) if pre_model_path else {}


def samples_before(pre_model_path: str, train_steps: int) -> dict[str, UserSamples]:
    """The samples of the run that ``pre_model_path`` names, by key; none where it keeps none or weights differ."""
    if not pre_model_path or train_steps != 0:
        return {}
    weights = starting_weights(pre_model_path)
    file = weights.parent.parent / SAMPLES_FILE
    is_best = weights.name == "best" and weights.parent.name == CHECKPOINT  # a step-N has other weights
    if not is_best or not file.is_file():
        return {}
    drawn_by = origin_of(file).weights
    alike = not drawn_by or drawn_by == weights_name(weights)  # older files do not say
    return {one.key: one for one in read_samples(file)} if alike else {}


def _trained_on(run: Path) -> dict[str, Any]:
    file = run / TRAINED_ON
    shape = {...: {"inter_sha256": str, "held_out": int, ...: object}}
    return dict(read_json(file, "train that run again", shape)) if file.is_file() else {}
