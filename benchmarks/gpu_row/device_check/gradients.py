"""Are gradients on the device those of a CPU, in rows without pads as well as with them?"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from calrec_recbole.attention.products import exact_products
from calrec_recbole.backbone import Backbone
from calrec_recbole.training.micro_batches.feed import Feed
from calrec_recbole.training.micro_batches.sizes import cpu_sizes
from gpu_row.device_check.material import Material
from gpu_row.device_check.verdict import verdict

__all__ = ["gradient_checks"]

GROUP = 2048  # tokens at once, so that larger batches go in several groups
FLOAT32 = 1e-5  # of the gradient's length: 3e-7 of rounding on an H200 and 6e-7 on a CPU were seen
TIMES = 1.5  # a packed gradient in bfloat16 may be as far from float32 as a padded one, and this much more: rounding
MOST = 0.2  # of the gradient's length, in bfloat16: .03 were seen with SmolLM2
KINDS = ("every item", "Eq. 4")  # of the steps 0 and 1


def gradient_checks(given: Material, users: int, name: str) -> list[dict[str, Any]]:
    """Of the steps with the loss on every item and of Eq. 4, over ``users`` users; against a padded CPU in float32."""
    found = []
    for step, kind in enumerate(KINDS):
        exact = _gradient(given, given.plain, torch.device("cpu"), users, step, "float32", packing=False)

        def gap(precision: str, packing: bool, exact: Tensor = exact, step: int = step) -> float:
            own = _gradient(given, given.backbone, given.device, users, step, precision, packing)
            return float((own - exact).norm() / exact.norm())

        head = f"{name}, gradient of {kind}"
        found.append(verdict(f"{head}: packed in float32, against the CPU", gap("float32", True), FLOAT32))
        limit = min(MOST, TIMES * gap("bfloat16", False))
        found.append(verdict(f"{head}: packed in bfloat16, against padded", gap("bfloat16", True), limit))
    return found


def _gradient(
    given: Material, backbone: Backbone, device: torch.device, users: int, step: int, precision: Any, packing: bool
) -> Tensor:
    """The gradient of one step over ``users`` users -> (parameters,) float64 on the CPU."""
    steps: dict[str, Any] = {"train_steps": 2, "warmup_steps": 1, "train_minutes": 0.0, "train_batch_size": users}
    settings = replace(
        given.settings, **steps, precision=precision, packing=packing, micro_batch_tokens=GROUP, kernels="auto"
    )
    items, feed_of = given.recommender.items, (given.sequences, settings, given.seed, device)
    with exact_products():
        feed = Feed(backbone, items, *feed_of)
        with feed.attending():
            feed.batch(step, cpu_sizes(settings)).accumulate()
    weights = [weight.grad for weight in backbone.model.parameters() if weight.grad is not None]
    found = torch.cat([weight.flatten().double().cpu() for weight in weights])
    feed.clear_gradients()
    return found
