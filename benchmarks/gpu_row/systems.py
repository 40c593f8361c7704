"""The rows of Tables 2, 3, 5 and 6 that one command makes: what trains each, and whose weights it starts from.

"Equal steps" are optimiser steps of as many users each, of either kind: with the loss on every item, and of Eq. 4. The
row of both stages trains n1 steps in stage I and n2 in stage II, as many as its minutes hold. Without stage I there are
two fair rows: n2 steps on the target alone (what stage II makes of the backbone without stage I), and n1 + n2 of them
(what the same work gives where none of it goes to other categories). The row without contrastive losses takes n1 and n2
steps of the same seed, so the same users in the same batches, with alpha = beta = 0 in both of its stages.

In each compared stage a fifth of the steps has the loss on every item, and the last weights are kept:
with the recipes' own 88 % and 76 %, and the best of few validations, the weights may be from before Eq. 4.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ABLATION", "ALONE", "STAGES", "UNTUNED", "System", "steps_together"]


@dataclass(frozen=True)
class System:
    """``files`` are recipes of configs/experiment, ``settings`` lie above them.

    ``after``: the name of the system whose weights it starts from; empty: the backbone's. ``steps_of``: names of the
    systems for whose steps, taken together, it trains; without any it trains for a share of the minutes.
    """

    name: str
    label: str
    files: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    after: str = ""
    steps_of: tuple[str, ...] = ()

    @property
    def trains(self) -> bool:
        return UNTRAINED not in self.files


UNTRAINED = "untuned"
WHOLE, JOINT, SECOND = ("smollm2-135m-gpu",), ("smollm2-joint",), ("smollm2-finetune",)
AS_IT_IS = (*WHOLE, UNTRAINED)
NO_CONTRAST = {"alpha": 0.0, "beta": 0.0}
LAST = {"selected_weights": "last"}
FAIR_JOINT = {"warmup_steps": 300, **LAST}  # of the 1,500 steps of smollm2-joint
FAIR_SECOND = {"warmup_steps": 75, **LAST}  # of the 375 of smollm2-finetune
WEIGHTS_ALONE = {"test_users": 2}  # of stage I: who tests them does so as they are, without reading four data sets
UNJUDGED = {"valid_users": 2}  # nothing is chosen by the validation of weights that stay as they are

ALONE = System("stage-2-alone", "stage II alone", WHOLE)
STAGES = (
    System("stage-1", "stage I", JOINT, {**FAIR_JOINT, **WEIGHTS_ALONE}),
    System("both-stages", "stages I and II", SECOND, FAIR_SECOND, after="stage-1"),
)
ABLATION = (
    System("no-stage-2", "w/o stage II", AS_IT_IS, UNJUDGED, after="stage-1"),
    System("equal-stage-2", "w/o stage I, equal stage II steps", SECOND, FAIR_SECOND, steps_of=("both-stages",)),
    System("equal-steps", "w/o stage I, equal steps in all", WHOLE, LAST, steps_of=("stage-1", "both-stages")),
    System(
        "stage-1-no-contrast",
        "stage I w/o contrastive losses",
        JOINT,
        {**FAIR_JOINT, **NO_CONTRAST, **WEIGHTS_ALONE},
        steps_of=("stage-1",),
    ),
    System(
        "no-contrast",
        "w/o contrastive losses",
        SECOND,
        {**FAIR_SECOND, **NO_CONTRAST},
        after="stage-1-no-contrast",
        steps_of=("both-stages",),
    ),
)
SAMPLE = {"test_users": 1000, **UNJUDGED}
UNTUNED = (
    System("untuned", "untuned, CALRec's template", AS_IT_IS, SAMPLE),
    System("untuned-gpt4rec", "untuned, GPT4Rec's template", AS_IT_IS, {**SAMPLE, "prompt_template": "gpt4rec"}),
)


def steps_together(configs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The resolved settings of runs -> settings for as many steps of each kind as all of them took.

    The rise of the learning rate and the interval of validations are the first run's.

    >>> ran = {"train_steps": 30, "warmup_steps": 20, "lr_warmup_steps": 4, "eval_interval": 10}
    >>> found = steps_together([ran, {**ran, "train_steps": 9, "warmup_steps": 6}])
    >>> found["train_steps"], found["warmup_steps"], found["lr_warmup_steps"]
    (39, 26, 4)
    """
    summed = {name: sum(config[name] for config in configs) for name in ("train_steps", "warmup_steps")}
    first = {name: configs[0][name] for name in ("lr_warmup_steps", "eval_interval")}
    return {**summed, **first, "train_minutes": 0.0}
