"""The names of ``train_stage``, and which model has which of them."""

from calrec_recbole.errors import must_be_one_of

__all__ = ["FINETUNE", "JOINT", "PRETRAIN", "SCRATCH", "STAGES", "check_train_stage", "reads_other_data"]

JOINT = "joint"  # CALRec's stage I (3.3): on several data sets
PRETRAIN = "pretrain"
SCRATCH = "scratch"  # on the target, from fresh weights
FINETUNE = "finetune"  # on the target, from given weights where there are any

STAGES = {
    "CALRec": (FINETUNE, JOINT),
    "UniSRec": (SCRATCH, PRETRAIN, FINETUNE),
    "UniSRecID": (SCRATCH, PRETRAIN, FINETUNE),
    "Recformer": (PRETRAIN, FINETUNE),
}


def check_train_stage(model: str, stage: str) -> None:
    """Raises ``ConfigError`` where ``model`` has no such stage."""
    must_be_one_of("train_stage", stage, STAGES[model])


def reads_other_data(model: str, stage: object) -> bool:
    """Whether whole data sets are read in it; S3-Rec pretrains on the run's own training part."""
    return model in STAGES and stage in (JOINT, PRETRAIN)
