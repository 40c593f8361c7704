"""The passes of decoders built like Llama in few calls: a third of those that `transformers` makes.

Products of one input are one product on CUDA, a residual is added by the product before it, and queries and keys are
turned together, in place. What does not fit exactly is left to `ModelDecoder`; whether all fits, the probe decides.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import signature
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel

from calrec_recbole.generation.shared_prefix.key_values import KeyValues
from calrec_recbole.generation.shared_prefix.packed_decoder import evaluating
from calrec_recbole.generation.shared_prefix.shared_attention import shared_attention

__all__ = ["LeanDecoder", "NotLeanError", "joins"]

TRUNK = {"embed_tokens", "layers", "norm", "rotary_emb"}
ATTENTION = {"q_proj", "k_proj", "v_proj", "o_proj"}
HEAD_NORMS = {"q_norm", "k_norm"}
MLP = {"gate_proj", "up_proj", "down_proj", "act_fn"}
INSIDE = {"self_attn", "mlp"}
NORMS = (  # names in a layer -> norms before and after attention, before and after the MLP
    ("input_layernorm", None, "post_attention_layernorm", None),  # Llama, Mistral, Qwen
    (
        "input_layernorm",
        "post_attention_layernorm",
        "pre_feedforward_layernorm",
        "post_feedforward_layernorm",
    ),  # Gemma 3
    (None, "post_attention_layernorm", None, "post_feedforward_layernorm"),  # OLMo 2, EXAONE 4
)

Norm = Callable[[Tensor], Tensor]


class NotLeanError(Exception):
    """A part of the model is not built as this module knows it."""


class LeanDecoder:
    """Weights in ``dtype``, copied where they are joined or of another precision. Raises `NotLeanError`."""

    def __init__(self, model: PreTrainedModel, dtype: torch.dtype):
        self.dtype = dtype
        trunk: Any = model.base_model
        head_module: Any = model.get_output_embeddings()
        self.config = config = model.config.get_text_config()
        _expect(_children(trunk) == TRUNK and getattr(config, "final_logit_softcapping", None) is None)
        self._table = trunk.embed_tokens
        self._embed, table = _embedding(trunk.embed_tokens, dtype)
        ((head, bias),) = _affine([head_module], dtype)
        tied = head_module.weight is trunk.embed_tokens.weight
        self._head = (table.t() if tied else head), bias
        self._norm, self._rotary = _norm(trunk.norm, dtype), trunk.rotary_emb
        kinds = getattr(config, "layer_types", None) or [None] * len(trunk.layers)
        self._blocks = [
            _Block(layer, number, kinds[number], config, dtype) for number, layer in enumerate(trunk.layers)
        ]
        windows = [block.window for block in self._blocks if block.window is not None]
        self.window = min(windows, default=None)  # the narrowest that a layer sees
        self._kinds = sorted({block.kind for block in self._blocks if block.kind}) if _by_kind(self._rotary) else [None]

    @property
    def device(self) -> torch.device:
        return self._head[0].device

    @contextmanager
    def passing(self) -> Iterator[None]:
        with evaluating(self._table):  # whose dropout, else, would act
            yield

    def __call__(self, tokens: Tensor, states: KeyValues, keep: Tensor | None = None) -> Tensor:
        hidden = self._embed(tokens)
        turns = {kind: self._turns(hidden, states.positions, kind) for kind in self._kinds}
        for block in self._blocks:
            hidden = block(hidden, turns.get(block.kind) or turns[None], states)
        return self._norm(hidden if keep is None else hidden[keep])

    def logits(self, hidden: Tensor) -> Tensor:
        return _product(hidden, *self._head)

    def _turns(self, hidden: Tensor, positions: Tensor, kind: str | None) -> tuple[Tensor, Tensor]:
        """Cosines and signed sines (N, 1, D) by which `_Block` turns queries and keys."""
        cos, sin = self._rotary(hidden[None], positions[None], *([kind] if kind else []))
        half = sin.shape[-1] // 2
        signed = torch.cat((-sin[..., :half], sin[..., half:]), dim=-1)
        return cos[0][:, None].to(self.dtype), signed[0][:, None].to(self.dtype)


class _Block:
    """One layer."""

    def __init__(self, layer: Any, number: int, kind: str | None, config: Any, dtype: torch.dtype):
        attention, mlp, names = layer.self_attn, layer.mlp, _children(layer) - INSIDE
        found = [norms for norms in NORMS if {name for name in norms if name} == names]
        _expect(bool(found) and not list(layer.parameters(recurse=False)) and _children(layer) >= INSIDE)
        norms = [None if name is None else _norm(getattr(layer, name), dtype) for name in found[0]]
        self.before_attention, self.after_attention, self.before_mlp, self.after_mlp = norms
        _expect(_children(attention) - HEAD_NORMS == ATTENTION and not list(attention.parameters(recurse=False)))
        _expect(getattr(attention, "attn_logit_softcapping", None) is None)
        self.number, self.kind, self.width = number, kind, attention.head_dim
        self.scaling = getattr(attention, "scaling", None) or self.width**-0.5
        self.window = getattr(attention, "sliding_window", getattr(config, "sliding_window", None))
        self.turns = bool(getattr(attention, "use_rope", True))
        self.into_heads = _affine([attention.q_proj, attention.k_proj, attention.v_proj], dtype)
        (self.out,) = _affine([attention.o_proj], dtype)
        key_heads = attention.k_proj.out_features // self.width
        self.heads = attention.q_proj.out_features // self.width
        self.head_norms = None
        if HEAD_NORMS & _children(attention):
            self.head_norms = _HeadNorms.of(attention, self.heads, key_heads, dtype)
        _expect(_children(mlp) | {"act_fn"} == MLP and not list(mlp.parameters(recurse=False)))
        self.gate_and_up, self.act = _affine([mlp.gate_proj, mlp.up_proj], dtype), mlp.act_fn
        (self.down,) = _affine([mlp.down_proj], dtype)
        self.turned = self.heads + key_heads

    def __call__(self, hidden: Tensor, turns: tuple[Tensor, Tensor], states: KeyValues) -> Tensor:
        read = hidden if self.before_attention is None else self.before_attention(hidden)
        hidden = _onto(hidden, self._attend(read, turns, states), self.out, self.after_attention)
        read = hidden if self.before_mlp is None else self.before_mlp(hidden)
        return _onto(hidden, self._feed(read), self.down, self.after_mlp)

    def _attend(self, read: Tensor, turns: tuple[Tensor, Tensor], states: KeyValues) -> Tensor:
        """(N, D) -> (N, heads * D) what the heads see, before they are mixed."""
        parts = [_product(read, *one) for one in self.into_heads]
        heads = (parts[0] if len(parts) == 1 else torch.cat(parts, 1)).view(
            len(read), -1, self.width
        )  # query, key, value
        turned = heads.narrow(1, 0, self.turned)
        query, others = heads.split((self.heads, heads.shape[1] - self.heads), 1)
        if self.head_norms is not None:
            self.head_norms(turned)
        if self.turns:
            _turn(turned, *turns)
        states.write(self.number, others)
        return shared_attention(states, self.number, query, self.scaling, self.window).flatten(1)

    def _feed(self, read: Tensor) -> Tensor:
        """(N, D) -> (N, inner) of the MLP, before it is mixed."""
        parts = [_product(read, *one) for one in self.gate_and_up]
        gate, up = parts if len(parts) == 2 else parts[0].chunk(2, 1)
        inner: Tensor = self.act(gate).mul_(up)
        return inner


class _HeadNorms(NamedTuple):
    """Norms of each query and key head, at once."""

    weights: Tensor  # (query and key heads, D)
    eps: float

    @classmethod
    def of(cls, attention: Any, heads: int, key_heads: int, dtype: torch.dtype) -> "_HeadNorms":
        (query, eps), (key, key_eps) = _rms(attention.q_norm), _rms(attention.k_norm)
        _expect(eps == key_eps and len(query) == len(key) == attention.head_dim)
        return cls(torch.cat((query.expand(heads, -1), key.expand(key_heads, -1))).to(dtype), eps)

    def __call__(self, heads: Tensor) -> None:
        """(N, heads, D), in place."""
        torch.mul(F.rms_norm(heads, (heads.shape[-1],), None, self.eps), self.weights, out=heads)


def _turn(heads: Tensor, cos: Tensor, signed_sin: Tensor) -> None:
    """Rotary positions of (N, heads, D), in place: x cos + (-x2, x1) sin for halves x1, x2 of x."""
    part = heads if cos.shape[-1] == heads.shape[-1] else heads[..., : cos.shape[-1]]
    swapped = part.roll(part.shape[-1] // 2, -1)
    part.mul_(cos).addcmul_(swapped, signed_sin)


def _product(values: Tensor, weights: Tensor, bias: Tensor | None) -> Tensor:
    return values @ weights if bias is None else torch.addmm(bias, values, weights)


def _onto(hidden: Tensor, values: Tensor, weights: tuple[Tensor, Tensor | None], norm: Norm | None) -> Tensor:
    """hidden + norm(values weights + bias)."""
    matrix, bias = weights
    if bias is None and norm is None:
        return torch.addmm(hidden, values, matrix)
    found = _product(values, matrix, bias)
    return hidden + (found if norm is None else norm(found))


def _expect(holds: bool) -> None:
    if not holds:
        raise NotLeanError


def _children(module: nn.Module) -> set[str]:
    return {name for name, _ in module.named_children()}


def _by_kind(rotary: Any) -> bool:
    """Whether positions turn otherwise in layers of another kind."""
    return "layer_type" in signature(rotary.forward).parameters


def joins(device: torch.device) -> bool:
    """Whether products of one input are one: a GPU waits for launches, and a CPU gains nothing by copied weights."""
    return device.type == "cuda"


def _affine(modules: list[Any], dtype: torch.dtype) -> list[tuple[Tensor, Tensor | None]]:
    """The matrices (in, out) and biases of linear maps of one input, as one map where they are joined."""
    maps = [_matrix(module) for module in modules]
    _expect(len({bias is None for _, bias in maps}) == 1)
    if len(maps) > 1 and joins(maps[0][0].device):
        matrices, biases = zip(*maps, strict=True)
        maps = [(torch.cat(matrices), None if biases[0] is None else torch.cat(biases))]
    return [(matrix.to(dtype).t(), None if bias is None else bias.to(dtype)) for matrix, bias in maps]


def _matrix(module: Any) -> tuple[Tensor, Tensor | None]:
    """Matrix and bias of a linear map; adapters of peft are added to it."""
    plain = getattr(module, "base_layer", module)
    _expect(type(plain) is nn.Linear)
    matrix = plain.weight.detach()
    if plain is not module:
        for name in module.active_adapters:
            matrix = matrix + module.get_delta_weight(name).detach()
    return matrix, None if plain.bias is None else plain.bias.detach()


def _embedding(module: Any, dtype: torch.dtype) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """Tokens (N,) -> (N, D), and the table behind."""
    table = module.weight.detach().to(dtype)
    scale = getattr(module, "embed_scale", None)
    _expect(type(module) is nn.Embedding or scale is not None)
    if dtype == module.weight.dtype:
        return module, table
    if scale is None:
        return lambda tokens: F.embedding(tokens, table), table
    factor = torch.as_tensor(scale).to(table)
    return lambda tokens: F.embedding(tokens, table) * factor, table


def _norm(module: Any, dtype: torch.dtype) -> Norm:
    weight, eps = _rms(module)
    weight = weight.to(dtype)
    return lambda values: F.rms_norm(values, weight.shape, weight, eps)


@torch.no_grad()
def _rms(module: Any) -> tuple[Tensor, float]:
    """Weight and epsilon of a root mean square norm, however it keeps them, as its own output tells."""
    eps: Any = getattr(module, "variance_epsilon", getattr(module, "eps", None))
    weight: Any = getattr(module, "weight", None)
    _expect(eps is not None and weight is not None and weight.ndim == 1)
    values = torch.linspace(-2, 3, 2 * weight.numel(), device=weight.device).view(2, -1)
    normed = module(values.to(weight.dtype)).float()
    for found in (weight.detach().float(), 1 + weight.detach().float()):
        if torch.allclose(F.rms_norm(values, found.shape, found, eps), normed, rtol=2e-2, atol=1e-3):
            return found, float(eps)
    raise NotLeanError
