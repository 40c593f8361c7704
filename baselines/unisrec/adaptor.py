"""UniSRec's adaptor (KDD 2022, section 2.1): text features -> the sequence encoder's space, by a mixture of whitenings.

The parameters carry the names of the official checkpoints: ``w_gate``, ``w_noise``, ``experts.{i}.bias``,
``experts.{i}.lin.weight``.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["MoEAdaptor", "mix", "noisy_gates", "whiten"]


def whiten(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Parametric whitening W (x - b): (N, D), (H, D), (D,) -> (N, H). As W x - W b: no second (N, D) in memory."""
    return F.linear(x, weight, -(weight @ bias))


def noisy_gates(x: Tensor, w_gate: Tensor, w_noise: Tensor, noise: Tensor | None = None) -> Tensor:
    """softmax(x W_gate + noise * softplus(x W_noise)) over all experts: (N, D), twice (D, E) -> (N, E).

    ``noise``: standard normal (N, E), as in Shazeer et al. (ICLR 2017) but without their top-k; None is no noise. The
    official code adds 0.01 to the softplus; the paper does not.
    """
    logits = x @ w_gate
    if noise is not None:
        logits = logits + noise * F.softplus(x @ w_noise)
    return logits.softmax(dim=-1)


def mix(outputs: Tensor, gates: Tensor) -> Tensor:
    """Every row's experts weighted by its gates, sum_e g_e v_e: (N, E, H), (N, E) -> (N, H)."""
    return (gates[:, None] @ outputs)[:, 0]


class Whitening(nn.Module):
    """One expert; no bias besides b."""

    def __init__(self, size_in: int, size_out: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(size_in))
        self.lin = nn.Linear(size_in, size_out, bias=False)
        nn.init.normal_(self.lin.weight, std=0.02)  # official code

    def forward(self, x: Tensor) -> Tensor:
        return whiten(x, self.lin.weight, self.bias)


class MoEAdaptor(nn.Module):
    """(N, size_in) text features -> (N, size_out). Dropout before each whitening and gate noise are training's."""

    def __init__(self, n_experts: int, size_in: int, size_out: int, dropout: float) -> None:
        super().__init__()
        self.w_gate = nn.Parameter(torch.zeros(size_in, n_experts))
        self.w_noise = nn.Parameter(torch.zeros(size_in, n_experts))
        self.experts = nn.ModuleList(Whitening(size_in, size_out) for _ in range(n_experts))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        noise = torch.randn(len(x), len(self.experts), device=x.device) if self.training else None
        outputs = torch.stack([expert(self.dropout(x)) for expert in self.experts], dim=1)
        return mix(outputs, noisy_gates(x, self.w_gate, self.w_noise, noise))
