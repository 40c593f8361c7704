"""Training on XLA, which compiles each new shape for seconds: padded pieces of few shapes, one graph a piece."""

from collections.abc import Sequence
from contextlib import AbstractContextManager

import torch

from calrec_recbole.engines.xla.lazy_graph import finish_graph
from calrec_recbole.engines.xla.static_gradient import FixedShapes
from calrec_recbole.errors import ConfigError
from calrec_recbole.examples import Example
from calrec_recbole.training import Training
from calrec_recbole.training.device.mixed_precision import plain_attention
from calrec_recbole.training.micro_batches.sizes import Sizes
from calrec_recbole.training.optimiser import optimisers

__all__ = ["StaticTraining"]


class StaticTraining(Training):
    """``Training`` with the same losses and steps, in shapes that are compiled once.

    Raises ``ConfigError`` for ``packing`` true and for ``kernels`` other than plain ones, which XLA does not have.
    """

    def __post_init__(self) -> None:
        if self.settings.packing is True:
            raise ConfigError("packing=true: XLA reads padded pieces of few shapes; set packing: auto, or device: auto")
        if self.settings.kernels not in ("auto", "plain"):
            raise ConfigError(f"kernels={self.settings.kernels}: XLA compiles kernels of its own; set kernels: auto")
        self.backbone.model.tie_weights()  # moving a model there copies its shared weights: two would be trained
        super().__post_init__()

    def reads_packed(self) -> bool:
        return False

    def padded_attention(self) -> AbstractContextManager[None]:
        """torch's fused attention makes XLA wait for the device in every step."""
        return plain_attention(self.engine.backbone.model)

    def made_optimisers(self) -> list[torch.optim.Optimizer]:
        """XLA has no fused step, and a step count on the CPU would be a constant of the graph."""
        return optimisers(self.engine.backbone.model, self.settings, capturable=True)

    def gradient_of(self, examples: Sequence[Example], warmup: bool, sizes: Sizes) -> FixedShapes:
        """Cuts a batch as ``Training`` does, into pieces of ``micro_batch_tokens`` tokens."""
        return FixedShapes(
            self.engine.backbone,
            self.items,
            self.settings,
            self.device,
            self.precision,
            examples,
            self.contrasts(warmup),
            self.reduction(warmup),
        )

    def clear_gradients(self) -> None:
        """Sets gradients to zeros: adding to nothing would be another graph than adding to something."""
        for parameter in self.engine.backbone.model.parameters():
            parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
        finish_graph(self.device)
