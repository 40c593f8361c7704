"""What CALRec's trainer knows beside the training state: early stopping, the best weights' place, whose run it is."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from calrec_recbole.errors import DataError

__all__ = ["NATS", "Progress", "vocabulary_hash"]

NATS = "nats_per_item"  # of held-out items, beside the metrics; in their place where nothing is ranked


@dataclass
class Progress:
    """Saved with the training state as JSON. ``run`` and ``vocabulary`` say to what the state belongs."""

    run: str  # the run's id: of its settings and data
    vocabulary: str  # of the tokenizer that the weights belong to
    validated: int = 0  # the step of the latest validation, 0 before the first
    best_score: float = -math.inf
    best_step: int = -1
    best_nats: float = math.nan  # a held-out item
    best_result: dict[str, float] = field(default_factory=dict)
    users: int = 0  # of the best validation
    worse: int = 0  # validations since the best one
    seconds: float = 0.0  # spent so far, also by interrupted runs

    def saved(self) -> dict[str, Any]:
        """For JSON, which knows no infinity: None before the first validation."""
        return {name: None if name in UNKNOWN and self.best_step < 0 else value for name, value in asdict(self).items()}

    @classmethod
    def loaded(cls, saved: dict[str, Any], fresh: Self, place: str) -> Self:
        """What ``saved`` answered. Raises ``DataError`` that names ``place`` where it is something else, or belongs to
        a run other than ``fresh``.
        """
        wrong = sorted(saved.keys() ^ {part.name for part in fields(cls)})
        wrong += [name for name, kinds in KINDS.items() if name in saved and not isinstance(saved[name], kinds)]
        if wrong:
            raise DataError(
                f"checkpoint {place} cannot be resumed (progress.json: {wrong[0]}): remove it to start anew"
            )
        for name, what in (("run", "run, of other settings or data"), ("vocabulary", "tokenizer")):
            if saved[name] != getattr(fresh, name):
                raise DataError(f"checkpoint {place} belongs to another {what}: remove it to start anew")
        return cls(**{name: value for name, value in saved.items() if value is not None})


UNKNOWN = ("best_score", "best_nats")
KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("run", "vocabulary"), (str,)),
    **dict.fromkeys(("validated", "best_step", "users", "worse"), (int,)),
    **dict.fromkeys(UNKNOWN, (float, int, type(None))),
    "best_result": (dict,),
    "seconds": (float, int),
}


def vocabulary_hash(tokenizer: Any) -> str:
    """The same for tokenizers of the same tokens and ids."""
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1])
    return hashlib.sha256(json.dumps(vocabulary).encode()).hexdigest()[:16]
