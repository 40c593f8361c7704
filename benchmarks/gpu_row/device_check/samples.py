"""Are samples on the device those of a CPU, and are their log-probabilities the model's?"""

from typing import Any

import torch

from calrec_recbole.attention.products import exact_products
from calrec_recbole.generation import Sample, sample
from gpu_row.device_check.material import Material
from gpu_row.device_check.verdict import verdict

__all__ = ["sample_checks"]

N, TEMPERATURE, TOKENS = 8, 0.5, 24
ALIKE = 0.9  # of the samples of equal seeds: rounding moves a draw that lies on a border (95 % were seen on a GPU)
NATS = 1e-3  # between the log-probabilities of one text, of some 100 nats


def sample_checks(given: Material, users: int, name: str) -> list[dict[str, Any]]:
    """``users`` at once on the device against one after another on the CPU, and against transformers' own pass."""
    prompts = [prompt.tolist() for prompt in given.prompts[:users]]
    seeds, plain = range(len(prompts)), given.plain.model
    wanted = N, TEMPERATURE, TOKENS
    with exact_products():
        own = sample(given.backbone.model, prompts, *wanted, seeds=list(seeds))
        theirs = [
            sample(plain, [prompt], *wanted, seeds=[seed])[0] for prompt, seed in zip(prompts, seeds, strict=True)
        ]
        direct = max(_gap(given.backbone.model, prompt, texts) for prompt, texts in zip(prompts, own, strict=True))
    alike, gap = _compared(own, theirs)
    return [
        verdict(f"{name}, samples of equal seeds that are the CPU's", alike, ALIKE, least=True),
        verdict(f"{name}, nats between those and the CPU's", gap, NATS),
        verdict(f"{name}, nats between samples and a plain pass", direct, NATS),
    ]


def _compared(own: list[list[Sample]], theirs: list[list[Sample]]) -> tuple[float, float]:
    """The share of draws that both have, and the largest gap between their log-probabilities; NaN without any."""
    shared, gaps = 0, []
    for mine, other in zip(own, theirs, strict=True):
        known = {one.token_ids: one for one in other}
        both = [(one, known[one.token_ids]) for one in mine if one.token_ids in known]
        shared += sum(min(a.count, b.count) for a, b in both)
        gaps += [abs(a.logprob - b.logprob) for a, b in both]
    return shared / (N * len(own)), max(gaps, default=float("nan"))


@torch.no_grad()
def _gap(model: Any, prompt: list[int], texts: list[Sample]) -> float:
    """The largest, in nats, between the log-probabilities of ``texts`` and those of the model's plain forward."""
    gaps = []
    for one in texts:
        ended = len(one.token_ids) < TOKENS
        ids = [*prompt, *one.token_ids, *([model.generation_config.eos_token_id] if ended else [])]
        logits = model(torch.tensor([ids], device=model.device)).logits[0].double().log_softmax(-1)
        new = torch.tensor(ids[len(prompt) :], device=model.device)
        nats = logits[len(prompt) - 1 : -1].gather(1, new[:, None]).sum()
        gaps.append(abs(float(nats) - one.logprob))
    return max(gaps)
