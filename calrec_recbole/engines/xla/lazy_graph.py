"""What XLA asks of a loop, and no other device does."""

import torch

__all__ = ["finish_graph"]


def finish_graph(device: torch.device) -> None:
    """XLA: what was recorded so far is compiled, unless it was before, and started. Elsewhere everything has run."""
    if device.type == "xla":
        import torch_xla

        torch_xla.sync()
