"""A backbone without its weights: its tokenizer, and how many parameters a token meets."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from calrec_recbole.backbone.scratch import ScratchSizes, scratch_model, train_tokenizer
from calrec_recbole.errors import BackboneError

__all__ = ["Outline", "outline_of", "scratch_outline"]


@dataclass(frozen=True)
class Outline:
    """``body``: parameters of all blocks, which every token meets (of a mixture of experts all count); ``head``: those
    of the product that makes logits. A table of embeddings is looked up and costs nothing.
    """

    tokenizer: Any
    body: int
    head: int


def outline_of(source: str) -> Outline:
    """Of a local folder, a ``.gguf`` file or a hub id; ``BackboneError`` where it cannot be read."""
    path = Path(source).expanduser()
    where: dict[str, Any] = {"trust_remote_code": False}
    if source.endswith(".gguf"):
        if not path.is_file():
            raise BackboneError(f"backbone={source}: no such GGUF file; give the path of an existing one")
        where |= {"gguf_file": path.name}
    name = str(path.parent if path.is_file() else path) if path.exists() else source
    try:
        tokenizer, config = AutoTokenizer.from_pretrained(name, **where), AutoConfig.from_pretrained(name, **where)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except Exception as problem:  # the loader of a foreign file raises what it likes
        reason = (str(problem).strip() or type(problem).__name__).splitlines()[0]
        raise BackboneError(
            f"backbone={source} cannot be read ({reason}): give 'scratch', a local folder, a .gguf file or a hub id"
        ) from problem
    return _measured(model, tokenizer)


def scratch_outline(texts: Iterable[str], sizes: ScratchSizes) -> Outline:
    """Of a decoder of ``sizes``, whose tokenizer is trained on ``texts``."""
    tokenizer = train_tokenizer(texts, sizes.vocab_size, merge_across_words=sizes.merge_across_words)
    return _measured(scratch_model(sizes, len(tokenizer), tokenizer.eos_token_id, 1, seed=0), tokenizer)


def _measured(model: Any, tokenizer: Any) -> Outline:
    table = model.get_input_embeddings().weight
    body = sum(one.numel() for one in model.base_model.parameters() if one is not table)
    return Outline(tokenizer, body, model.get_output_embeddings().weight.numel())
