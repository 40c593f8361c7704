"""The processes that train and evaluate together, as torchrun (or accelerate launch) started them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from calrec_recbole.errors import ConfigError

__all__ = ["ALONE", "Processes", "evenly"]

Part = TypeVar("Part")


@dataclass(frozen=True)
class Processes:
    """``world`` processes, of which this is number ``rank``. Alone, nothing is sent and nothing is waited for."""

    rank: int = 0
    world: int = 1

    @classmethod
    def present(cls) -> "Processes":
        """Those of torch's default process group; one where there is none."""
        if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
            return cls()
        return cls(torch.distributed.get_rank(), torch.distributed.get_world_size())

    @property
    def first(self) -> bool:
        """Whether this process writes: one of them does."""
        return self.rank == 0

    def share(self, parts: Sequence[Part]) -> Sequence[Part]:
        """Every ``world``-th of ``parts``: each belongs to exactly one process."""
        return parts[self.rank :: self.world]

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum of the processes' tensors, without gradient, the same in all of them."""
        if self.world == 1:
            return tensor
        total = tensor.detach().clone()
        torch.distributed.all_reduce(total)
        return total

    def gather(self, value: Any) -> list[Any]:
        """The picklable ``value`` of every process, in the order of their numbers."""
        if self.world == 1:
            return [value]
        values: list[Any] = [None] * self.world
        torch.distributed.all_gather_object(values, value)
        return values

    def wait(self) -> None:
        """Until all processes have come here."""
        if self.world > 1:
            torch.distributed.barrier()

    def seed_step(self, seed: int, step: int) -> None:
        """Several processes draw dropout by seed, step and number: a resumed run needs none of their random states."""
        if self.world > 1:
            state = np.random.SeedSequence([seed, 3, step, self.rank]).generate_state(1, np.uint64)[0]
            torch.manual_seed(int(state >> np.uint64(1)))

    def check_batch(self, users: int) -> None:
        """Raises ``ConfigError`` where a step's ``users`` cannot be cut into as many pieces for every process."""
        if users % self.world:
            raise ConfigError(
                f"train_batch_size: a step of {users} users cannot be shared by {self.world} processes; "
                f"set it to {max(self.world, users - users % self.world)}"
            )


ALONE = Processes()


def evenly(pieces: Sequence[list[int]], processes: int) -> list[list[int]]:
    """``pieces`` of a batch with the largest halved until their number is a multiple of ``processes``.

    Possible where the rows are. What every process does as often as the others needs no extra care: a sharded model
    is gathered anew in each pass.
    """
    pieces = list(pieces)
    while len(pieces) % processes:
        largest = max(range(len(pieces)), key=lambda number: len(pieces[number]))
        rows = pieces[largest]
        half = (len(rows) + 1) // 2
        pieces[largest : largest + 1] = [rows[:half], rows[half:]]
    return pieces
