"""The ranks of all evaluated users: what is kept on disk of a run, and what every reported number comes from."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from calrec_recbole.durable_files import replacing_file
from calrec_recbole.evaluation.summary import summary

__all__ = ["RankTable"]


@dataclass(frozen=True)
class RankTable:
    """One row a user: internal ids of the user and of the target, and its ranks; (B,) int64 tensors.

    The masked ranks are those without the history's last item as a candidate; 0 where the target is that item. The
    equivalent ranks are those of the best item of the target's text; 0 where the texts are not known.
    """

    users: Tensor
    items: Tensor
    optimistic: Tensor
    pessimistic: Tensor
    optimistic_masked: Tensor
    pessimistic_masked: Tensor
    optimistic_equivalent: Tensor
    pessimistic_equivalent: Tensor

    def __len__(self) -> int:
        return len(self.users)

    @classmethod
    def concatenate(cls, batches: Sequence["RankTable"]) -> "RankTable":
        """The rows of all batches, in their order."""
        names = [field.name for field in fields(cls)]
        if not batches:
            return cls(*torch.empty(len(names), 0).long())
        return cls(*(torch.cat([getattr(batch, name) for batch in batches]).cpu() for name in names))

    def rows(self, places: Tensor) -> "RankTable":
        """Those at ``places``, in their order."""
        return RankTable(*(getattr(self, field.name)[places] for field in fields(self)))

    def summary(self, names: Sequence[str] | None = None) -> dict[str, float]:
        """Means over users of the metrics ``names``."""
        return summary(self.optimistic, self.pessimistic, names)

    def write(self, path: Path, user_ids: Sequence[str], item_ids: Sequence[str]) -> None:
        """A Parquet file ``user_id, item_id, optimistic, pessimistic``, and masked and equivalent ranks likewise.

        The sequences give the original ids. A masked or an equivalent rank that does not exist is null.
        """
        columns = {
            "user_id": pa.array(np.asarray(user_ids, dtype=object)[self.users.numpy()], pa.string()),
            "item_id": pa.array(np.asarray(item_ids, dtype=object)[self.items.numpy()], pa.string()),
        }
        for name in [field.name for field in fields(self)][2:]:
            ranks = getattr(self, name).numpy()
            columns[name] = pa.array(ranks, mask=ranks == 0)
        with replacing_file(path) as temporary:
            pq.write_table(pa.table(columns), temporary)
