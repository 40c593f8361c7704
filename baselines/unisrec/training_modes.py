"""UniSRec's three ways to train, and what each asks of the settings before anything is encoded."""

from collections.abc import Sequence
from dataclasses import dataclass

from calrec_recbole.baselines.unisrec.official_weights import weights_file
from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.data.prepared import Prepared
from calrec_recbole.plugin.train_stages import FINETUNE, PRETRAIN, SCRATCH, check_train_stage
from calrec_recbole.setting_groups import check_ranges, named, ranged, younger

__all__ = ["RELOADED", "UniSRecSettings", "check_stage", "sources_of"]

RELOADED = {"train_stage": SCRATCH, "freeze_encoder": False}  # a finished run needs only its own weights


@dataclass(frozen=True)
class UniSRecSettings:
    """The adaptor, the stage, and the pretraining of section 2.2; defaults are the official code's."""

    n_exps: int = ranged(8, "[1, 1e4]")
    adaptor_dropout_prob: float = ranged(0.2, "[0, 1)")
    temperature: float = ranged(0.07, "(0, 1e6]")
    train_stage: str = SCRATCH
    pre_model_path: str = ""
    freeze_encoder: bool = False
    loss_type: str = "CE"
    pretrain_datasets: Sequence[str] = ()  # none: the run's own
    pretrain_epochs: int = ranged(300, "[0, 1e6]")
    pretrain_batch_size: int = ranged(8192, "[1, 1e7]")
    contrast_weight: float = named("lambda", 1.0e-3, within="[0, 1e6]")
    item_drop_ratio: float = ranged(0.2, "[0, 1]")
    item_drop_coefficient: float = ranged(0.9, "[0, 1]")
    word_drop_ratio: float = ranged(0.15, "[0, 1]")
    noise_per_place: bool = younger(False, neutral=False)  # of the adaptor, in training on the target

    def __post_init__(self) -> None:
        check_ranges(self)
        check_train_stage("UniSRec", self.train_stage)
        if self.loss_type != "CE":
            raise ConfigError(f"loss_type={self.loss_type!r} must be CE: UniSRec is trained by cross-entropy alone")
        if self.freeze_encoder and self.train_stage != FINETUNE:
            raise ConfigError(
                f"freeze_encoder=True needs train_stage=finetune, not {self.train_stage}: the encoder knows nothing yet"
            )
        names = self.pretrain_datasets
        if isinstance(names, str) or len(set(names)) < len(names):
            raise ConfigError(
                f"pretrain_datasets={names!r} must list the data sets to pretrain on, each once: [CDs, Movies]"
            )


def check_stage(settings: UniSRecSettings, uses_ids: bool, prepared: Prepared) -> None:
    """Raises ``ConfigError`` or ``DataError`` where ``train_stage`` lacks what it reads."""
    if settings.train_stage == FINETUNE:
        weights_file(settings.pre_model_path)
    if settings.train_stage == PRETRAIN:
        if uses_ids:
            raise ConfigError("train_stage=pretrain knows no item IDs: pretrain model=UniSRec, fine-tune UniSRecID")
        for source in sources_of(settings, prepared):
            source.check()


def sources_of(settings: UniSRecSettings, prepared: Prepared) -> list[Prepared]:
    """The data sets of ``pretrain_datasets``; without any, the run's own."""
    return [prepared.on(str(name)) for name in settings.pretrain_datasets or [prepared.name]]
