"""What training came to, on disk once it is over: an interrupted evaluation goes on without it."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from calrec_recbole.durable_files import write_json
from calrec_recbole.stored_files import NUMBER, read_json, reading
from calrec_recbole.training.best_weights import best_step, check_best

__all__ = ["TRAINED", "Trained"]

TRAINED = "trained.json"  # in the checkpoint folder
SHAPE = {
    **{"run": str, "step": int, "score": NUMBER, "valid": {...: NUMBER}, "users": int, "validated_on": str},
    **{"chosen": {...: object}, "seconds": NUMBER, "planned?": {...: object}},
}


@dataclass(frozen=True)
class Trained:
    """``score`` and ``valid`` are those of the best validation, which was of step ``step`` and of ``users`` users of
    ``validated_on``; ``chosen``: what it chose besides; ``seconds``: of training; ``planned``: what ``auto`` settings
    and a budget of minutes came to.
    """

    run: str
    step: int
    score: float
    valid: dict[str, float]
    users: int
    validated_on: str
    chosen: dict[str, Any]
    seconds: float
    planned: dict[str, Any] = field(default_factory=dict)  # files of before it was kept lack it

    @classmethod
    def found(cls, checkpoint: Path, run: str) -> Self | None:
        """None where training is not over, or where its best weights are gone."""
        file = checkpoint / TRAINED
        if not file.is_file():
            return None
        advice = "remove the run's folder, run it again"
        found = read_json(file, advice, SHAPE)
        with reading(f"{file} is damaged", advice):  # a key that is none of ours
            own = cls(**found)
        if own.run != run or best_step(checkpoint / "best", run) != own.step:
            return None
        check_best(checkpoint / "best")
        return own

    def write(self, checkpoint: Path) -> None:
        write_json(checkpoint / TRAINED, asdict(self))
