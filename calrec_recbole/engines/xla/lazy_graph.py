"""XLA's device, and what it asks of a loop and no other device does."""

import importlib

import torch

from calrec_recbole.errors import ConfigError

__all__ = ["XLA", "finish_graph", "xla_device"]

XLA = "xla"


def xla_device() -> torch.device:
    """torch_xla's device of this process. Raises ``ConfigError`` where the package is missing."""
    try:
        found: torch.device = importlib.import_module("torch_xla").device()
    except ImportError as problem:
        raise ConfigError(
            f"device=xla needs the package torch_xla ({problem}): pip install torch==2.9.0 torch_xla==2.9.0 in an "
            "environment of its own, or set device: auto"
        ) from problem
    return found


def finish_graph(device: torch.device) -> None:
    """XLA: what was recorded so far is compiled, unless it was before, and started. Elsewhere everything has run."""
    if device.type == XLA:
        importlib.import_module("torch_xla").sync()
