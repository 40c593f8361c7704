"""torch's random state, taken and put back, so that a second pass draws what the first one drew."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["RandomState"]


class RandomState:
    """torch's random state of the CPU and of ``device`` at the time of making."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.cpu = torch.get_rng_state()
        self.cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Draws as at the time of making; afterwards the draws go on from where they were before."""
        now = RandomState(self.device)
        self.set()
        try:
            yield
        finally:
            now.set()

    def set(self) -> None:
        """Draws from here on are those after the time of making."""
        torch.set_rng_state(self.cpu)
        if self.cuda is not None:
            torch.cuda.set_rng_state(self.cuda, self.device)
