"""A causal language model with its tokenizer, from wherever it lies."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils._validators import validate_repo_id
from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from calrec_recbole.backbone.lora import merged_weights
from calrec_recbole.backbone.pretrained import NO_CODE, check_size
from calrec_recbole.errors import BackboneError
from calrec_recbole.generation.probe import check_backbone
from calrec_recbole.stored_files import reading

__all__ = ["Backbone", "load_backbone", "names_nothing", "no_bars", "read_backbone", "save_backbone"]

OTHER = "give 'scratch', a local folder, a .gguf file or a hub id"


@dataclass(frozen=True)
class Backbone:
    """A decoder and its tokenizer; ``model`` is any transformers causal language model."""

    model: Any
    tokenizer: Any

    @property
    def trunk(self) -> Any:
        """The decoder without its head: its ``last_hidden_state`` is taken after the final norm."""
        return self.model.base_model

    @property
    def head_weight(self) -> Tensor | None:
        """(V, D) where ``logits`` is the product with this matrix and nothing else, otherwise None."""
        head = self.model.get_output_embeddings()
        plain = type(head) is torch.nn.Linear and head.bias is None
        capped = getattr(self.model.config, "final_logit_softcapping", None) is not None
        return head.weight if plain and not capped else None

    def logits(self, hidden: Tensor) -> Tensor:
        """(N, D) hidden states -> (N, V) logits, as the model's own forward computes them."""
        logits: Tensor = self.model.get_output_embeddings()(hidden)
        cap = getattr(self.model.config, "final_logit_softcapping", None)
        return logits if cap is None else cap * torch.tanh(logits / cap)


def load_backbone(source: str, dtype: torch.dtype = torch.float32, *, samples: bool = True) -> Backbone:
    """Loads ``source``: a local folder, a ``.gguf`` file (dequantised by transformers), or a hub id, in this order.

    Raises ``BackboneError`` where nothing can be loaded, the tokenizer has no end token, the model's logits are not
    its head's (an architecture that scales them in a way this package does not know), or, with ``samples``, where
    `generation` cannot sample from it.
    """
    path = Path(source).expanduser()
    if source.endswith(".gguf"):
        if not path.is_file():
            raise BackboneError(f"backbone={source}: no such GGUF file; give the path of an existing one")
        backbone = _from_pretrained(str(path.parent), dtype, path.name, gguf_file=path.name)
        _forget_quantisation(backbone.model)
    else:
        if names_nothing(source):
            raise BackboneError(f"backbone={source} cannot be loaded (no such folder, and no hub id): {OTHER}")
        backbone = _from_pretrained(str(path) if path.is_dir() else source, dtype)
    return _checked(backbone, source, samples)


def read_backbone(folder: Path, dtype: torch.dtype = torch.float32, *, samples: bool = True) -> Backbone:
    """Loads what ``save_backbone`` wrote; never asks the network. Raises as ``load_backbone`` does."""
    return _checked(_from_pretrained(str(folder), dtype, local_files_only=True), str(folder), samples)


def save_backbone(backbone: Backbone, folder: Path) -> None:
    """Writes a standard folder (safetensors, JSON) that ``AutoModelForCausalLM.from_pretrained`` loads as it is.

    Adapters are merged into the weights.
    """
    weights = merged_weights(backbone.model)
    if backbone.model.device.type not in ("cpu", "cuda"):  # safetensors reads the memory of these, and finds ties in it
        tied = backbone.model.all_tied_weights_keys
        weights = {name: value.cpu() for name, value in weights.items() if name not in tied}
    with no_bars():
        backbone.model.save_pretrained(folder, state_dict=weights)
    backbone.tokenizer.save_pretrained(folder)


def _from_pretrained(source: str, dtype: torch.dtype, file: str = "", **where: Any) -> Backbone:
    with (
        reading(f"backbone={Path(source, file) if file else source} cannot be loaded", OTHER, BackboneError),
        no_bars(),
    ):
        check_size(source, **where)
        tokenizer = AutoTokenizer.from_pretrained(source, **NO_CODE, **where)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            source, dtype=dtype, output_loading_info=True, **NO_CODE, **where
        )
        model, found = loaded
        if found["missing_keys"]:  # transformers draws them at random
            raise ValueError(f"its weights lack {len(found['missing_keys'])} tensors: {min(found['missing_keys'])}")
    return Backbone(model, tokenizer)


def names_nothing(source: str) -> bool:
    """Whether ``source`` is no folder, and of a form that no hub id has."""
    if Path(source).expanduser().is_dir():
        return False
    try:
        validate_repo_id(source)
    except HFValidationError:
        return True
    return False


@contextmanager
def no_bars() -> Iterator[None]:
    """Within the block transformers shows no bars of reading and writing weights; those of downloads stay."""
    shown, downloads = transformers_logging.is_progress_bar_enabled(), not are_progress_bars_disabled()
    transformers_logging.disable_progress_bar()
    if downloads:
        enable_progress_bars()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()
            if not downloads:
                disable_progress_bars()


def _forget_quantisation(model: Any) -> None:
    """The weights were dequantised on loading; without this ``save_pretrained`` refuses them."""
    model.hf_quantizer = None
    model.is_quantized = False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config


def _checked(backbone: Backbone, source: str, samples: bool) -> Backbone:
    if backbone.tokenizer.eos_token_id is None:
        raise BackboneError(
            f"backbone={source}: its tokenizer has no end token, so it cannot end an item; choose another"
        )
    backbone.model.generation_config.eos_token_id = backbone.tokenizer.eos_token_id
    backbone.model.eval()
    probe = torch.arange(1, 5, device=backbone.model.device)[None]
    with reading(f"backbone={source} cannot read a text", "choose another", BackboneError), torch.inference_mode():
        theirs = backbone.model(input_ids=probe).logits
        ours = backbone.logits(backbone.trunk(input_ids=probe).last_hidden_state)
    if not torch.allclose(ours, theirs, rtol=1e-2, atol=1e-2):
        name = type(backbone.model).__name__
        raise BackboneError(
            f"backbone={source}: {name} scales its logits in a way that is not known here; choose another"
        )
    if samples:
        try:
            check_backbone(backbone.model)
        except BackboneError as problem:
            raise BackboneError(f"backbone={source}: {problem}") from problem
    return backbone
