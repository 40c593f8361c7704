"""Passes of a language model over packed tokens, its attention being the shared one."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from calrec_recbole.errors import BackboneError
from calrec_recbole.generation.shared_prefix.key_values import KeyValues
from calrec_recbole.generation.shared_prefix.shared_attention import shared_attention

__all__ = ["Decoder", "ModelDecoder"]

NAME = "calrec_shared_prompt"
UNSUPPORTED = ("softcap", "s_aux", "position_bias")  # what some layers ask of their attention and this one lacks


class Decoder(Protocol):
    """Weights and how to pass tokens through them."""

    @property
    def config(self) -> Any:
        """The text model's, for its sizes."""
        ...

    @property
    def device(self) -> torch.device: ...

    @property
    def dtype(self) -> torch.dtype:
        """The precision of keys, values and logits."""
        ...

    def passing(self) -> AbstractContextManager[None]:
        """The context in which it is called; all is put back at its end."""
        ...

    def __call__(self, tokens: Tensor, states: KeyValues, keep: Tensor | None = None) -> Tensor:
        """The hidden states of packed ``tokens`` (N,), which ``states.read`` describes; of ``keep`` (K,) alone."""
        ...

    def logits(self, hidden: Tensor) -> Tensor:
        """(N, D) hidden states -> (N, V)."""
        ...


class ModelDecoder:
    """The passes of a `transformers` model as it is."""

    def __init__(self, model: PreTrainedModel):
        self.model = model

    @property
    def config(self) -> Any:
        return self.model.config.get_text_config()

    @property
    def device(self) -> torch.device:
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        return self.model.dtype

    @contextmanager
    def passing(self) -> Iterator[None]:
        with evaluating(self.model), sharing_prompts(self.model):
            yield

    def __call__(self, tokens: Tensor, states: KeyValues, keep: Tensor | None = None) -> Tensor:
        hidden: Tensor = self.model.base_model(
            input_ids=tokens[None],
            position_ids=states.positions[None],
            past_key_values=_Cache(states),
            use_cache=True,
        ).last_hidden_state[0]
        return hidden if keep is None else hidden[keep]

    def logits(self, hidden: Tensor) -> Tensor:
        logits: Tensor = self.model.get_output_embeddings()(hidden)
        cap = getattr(self.model.config.get_text_config(), "final_logit_softcapping", None)
        return logits if cap is None else cap * torch.tanh(logits / cap)


class _Layer(NamedTuple):
    states: KeyValues
    number: int


class _Cache:
    """What `transformers` sees as `past_key_values`: it hands `_Layer`, in the place of keys, to the attention."""

    def __init__(self, states: KeyValues):
        self.states = states

    def get_seq_length(self, *_: object) -> int:
        """Asked by models that count positions which they were not given; ours are given."""
        return 0

    def update(self, keys: Tensor, values: Tensor, layer_idx: int, *_: object, **__: object) -> tuple[_Layer, Tensor]:
        """Called by each attention layer with its new keys and values (1, H, N, D)."""
        self.states.write(layer_idx, torch.cat((keys, values), dim=1)[0].transpose(0, 1))
        return _Layer(self.states, layer_idx), values


def attention_function(
    module: torch.nn.Module,
    query: Tensor,
    key: _Layer,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """An attention function of `transformers`: (1, heads, N, D) queries of packed tokens -> (1, N, heads, D)."""
    asked = [name for name in UNSUPPORTED if options.get(name) is not None]
    if asked:
        raise BackboneError(
            f"{type(module).__name__} asks for {asked[0]}, which sampling lacks; choose another backbone"
        )
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    packed = query[0].transpose(0, 1)  # (1, heads, N, D) -> (N, heads, D)
    return shared_attention(key.states, key.number, packed, scaling, sliding_window)[None], None


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """The model in evaluation mode; set back at the end, also after an error."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


@contextmanager
def sharing_prompts(model: PreTrainedModel) -> Iterator[None]:
    """The model with `attention_function`; set back at the end, also after an error. Raises BackboneError."""
    if not model._can_set_attn_implementation():  # asked first: setting it would warn in many words, and go on
        raise BackboneError(f"the attention of {type(model).__name__} cannot be replaced; choose another backbone")
    ALL_ATTENTION_FUNCTIONS.register(NAME, attention_function)
    before = model.config._attn_implementation
    try:
        model.set_attn_implementation(NAME)
        if model.config._attn_implementation != NAME:
            raise BackboneError(f"the attention of {type(model).__name__} cannot be replaced; choose another backbone")
        yield
    finally:
        model.set_attn_implementation(before)
