"""Whether a server draws from the weights that are loaded here, and tells their log-probabilities at temperature 1."""

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from calrec_recbole.engines.servers.completion import Drawn
from calrec_recbole.errors import ConfigError

__all__ = ["Gaps", "check_server", "gaps"]

CLOSE = 0.2  # nats a token, on average: bfloat16 and quantised copies stay below
ALIKE = 1e-3  # below, temperatures cannot be told apart, nor need they be

logger = logging.getLogger(__name__)


class Gaps(NamedTuple):
    """How far the told log-probabilities are from the backbone's, in nats a token."""

    tokens: int
    mean: float
    largest: float
    tempered: float  # the mean from those at the temperature of the draws


def check_server(
    url: str, model: Any, prompt: Sequence[int], drawn: Sequence[Drawn], temperature: float, end: int
) -> None:
    """Raises ``ConfigError`` where the answers to ``prompt`` are those of another distribution."""
    told = [one for one in drawn if one.logprobs is not None]
    if not told:
        logger.warning(
            "%s tells no log-probabilities with the ids of whole texts: the backbone here reads each sample again", url
        )
        return
    found = gaps(model, prompt, told, temperature, end)
    if found.tempered < found.mean and found.mean > ALIKE:
        raise ConfigError(
            f"engine_url={url} tells log-probabilities after temperature={temperature} ({found.mean:.3f} nats a token "
            f"from those at 1, {found.tempered:.3f} from the tempered): start vLLM with --logprobs-mode=raw_logprobs, "
            "llama.cpp without post-sampling probabilities"
        )
    if not found.mean <= CLOSE:  # nor where it is no number
        raise ConfigError(
            f"engine_url={url} serves other weights than pre_model_path: its log-probabilities are {found.mean:.3f} "
            "nats a token from the backbone's; serve the run's checkpoint/best"
        )
    logger.info("%s: log-probabilities of %d tokens within %.2g nats", url, found.tokens, found.largest)


@torch.inference_mode()
def gaps(model: Any, prompt: Sequence[int], drawn: Sequence[Drawn], temperature: float, end: int) -> Gaps:
    """Reads the ``drawn`` texts, all with log-probabilities, by the backbone's plain passes."""
    raw, tempered = [], []
    for one in drawn:
        ids = [*one.token_ids, *([end] if one.ended else [])]
        logits = model(torch.tensor([[*prompt, *ids]], device=model.device)).logits[0, len(prompt) - 1 : -1].double()
        told = torch.tensor(one.logprobs, dtype=torch.float64)
        raw.append((_of(ids, logits) - told).abs())
        tempered.append((_of(ids, logits / temperature) - told).abs())
    every = torch.cat(raw)
    return Gaps(len(every), float(every.mean()), float(every.max()), float(torch.cat(tempered).mean()))


def _of(ids: list[int], logits: Tensor) -> Tensor:
    return logits.log_softmax(-1)[range(len(ids)), ids].cpu()
