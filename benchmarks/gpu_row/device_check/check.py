"""Phase 1: is the device to be trusted, and how fast is it? A small decoder everywhere, then the backbone itself."""

from typing import Any

from gpu_row.bench import Bench
from gpu_row.device_check.gradients import gradient_checks
from gpu_row.device_check.material import material
from gpu_row.device_check.samples import sample_checks
from gpu_row.device_check.speed import speed

__all__ = ["SMALL", "check"]

SMALL = {  # a decoder from nothing, of two layers with grouped heads; fewer words would make items too long for it
    **{"backbone": "scratch", "scratch_vocab_size": 2000, "scratch_hidden_size": 32, "scratch_num_hidden_layers": 2},
    **{"scratch_num_attention_heads": 2, "scratch_intermediate_size": 64, "scratch_dropout": 0.0},
}
USERS_OF_SMALL, PROMPTS_OF_SMALL = 16, 4
USERS = 2  # of the backbone, for whom the CPU takes seconds each


def check(bench: Bench) -> dict[str, Any]:
    """``checks``, each with its value, limit and whether it holds, and ``measures``, as text."""
    small = material(bench, SMALL)
    found = gradient_checks(small, USERS_OF_SMALL, "small decoder") + sample_checks(
        small, PROMPTS_OF_SMALL, "small decoder"
    )
    own = material(bench, {})
    if not bench.sizes:  # a dry run has no other backbone
        found += gradient_checks(own, USERS, "backbone") + sample_checks(own, USERS, "backbone")
    fits, measures = speed(own, "backbone")
    return {"checks": found if bench.sizes else found + fits, "measures": measures}  # a dry run is as slow as its CPU
