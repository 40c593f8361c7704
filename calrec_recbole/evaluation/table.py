"""The ranks of all evaluated users: what is kept on disk of a run, and what every reported number comes from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from calrec_recbole.durable import replacing_file
from calrec_recbole.evaluation.summary import summary

__all__ = ["RankTable"]


@dataclass(frozen=True)
class RankTable:
    """One row a user: internal ids of the user and of the target, and its two ranks; four (B,) int64 tensors."""

    users: Tensor
    items: Tensor
    optimistic: Tensor
    pessimistic: Tensor

    def __len__(self) -> int:
        return len(self.users)

    @classmethod
    def concatenate(cls, batches: Sequence["RankTable"]) -> "RankTable":
        """The rows of all batches, in their order."""
        columns = zip(*((b.users, b.items, b.optimistic, b.pessimistic) for b in batches), strict=True)
        return cls(*(torch.cat(column).cpu() for column in columns)) if batches else cls(*torch.empty(4, 0).long())

    def summary(self, names: Sequence[str] | None = None) -> dict[str, float]:
        """Means over users of the metrics ``names``."""
        return summary(self.optimistic, self.pessimistic, names)

    def write(self, path: Path, user_ids: Sequence[str], item_ids: Sequence[str]) -> None:
        """A Parquet file ``user_id, item_id, optimistic, pessimistic``; the sequences give the original ids."""
        columns = {
            "user_id": pa.array(np.asarray(user_ids, dtype=object)[self.users.numpy()], pa.string()),
            "item_id": pa.array(np.asarray(item_ids, dtype=object)[self.items.numpy()], pa.string()),
            "optimistic": self.optimistic.numpy(),
            "pessimistic": self.pessimistic.numpy(),
        }
        with replacing_file(path) as temporary:
            pq.write_table(pa.table(columns), temporary)
