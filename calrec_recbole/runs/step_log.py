"""What the optimiser steps since the last report came to: for the log, TensorBoard, wandb and the progress bar."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from calrec_recbole.runs.environment import peak_memory
from calrec_recbole.training import StepReport

__all__ = ["Meter", "line"]

MEANS = ("total", "nig", "tt", "ut", "chance", "nats_per_token", "gradient_norm", "padding")


class Meter:
    """Collects step reports and hands ``values`` to ``report(step, phase, values)`` after every ``every`` steps."""

    def __init__(
        self, bar: Any, device: torch.device, every: int, report: Callable[[int, str, dict[str, float]], Any]
    ) -> None:
        self.bar, self.device, self.every, self.report = bar, device, every, report
        self.reports: list[StepReport] = []

    def add(self, report: StepReport) -> None:
        self.reports.append(report)
        self.bar.set_postfix_str(f"{report.phase}, {report.nats_per_token:.2f} nats a token", refresh=False)
        self.bar.update()
        if (report.step + 1) % self.every == 0:
            self.flush()

    def flush(self) -> None:
        """Reports the steps since the last report, if there are any."""
        if self.reports:
            last, values = self.reports[-1], self.values()
            self.reports.clear()
            self.report(last.step + 1, last.phase, values)

    def values(self) -> dict[str, float]:
        """Means over the steps since the last report (losses in nats; NaN in the warm-up for what it leaves out),
        the last learning rate, tokens of history and target a second, and peak memory in MiB.
        """
        values = {name: float(np.mean([getattr(report, name) for report in self.reports])) for name in MEANS}
        memory = peak_memory(self.device)
        return values | {
            "learning_rate": self.reports[-1].learning_rate,
            "tokens_per_second": sum(r.tokens for r in self.reports) / sum(r.seconds for r in self.reports),
            "memory_mib": memory.get("device", memory["process"]),
        }


def line(values: dict[str, float]) -> str:
    """What ``Meter.values`` answers, for the log; the contrastive losses stand beside what chance gives, ln B."""
    contrast = "" if math.isnan(values["tt"]) else ", tt {tt:.3f}, ut {ut:.3f}, ln B {chance:.3f}"
    return (
        "loss {total:.3f} (nig {nig:.3f}" + contrast + "), {nats_per_token:.3f} nats a token, "
        "gradient {gradient_norm:.2f}, rate {learning_rate:.2e}, {tokens_per_second:.0f} tokens/s, "
        "padding {padding:.1%}, {memory_mib:.0f} MiB"
    ).format(**values)
