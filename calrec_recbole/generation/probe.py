"""A check that the passes of sampling compute what the model's own passes do: only rounding may part them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from transformers import PreTrainedModel

from calrec_recbole.attention.products import exact_products, product_precisions
from calrec_recbole.errors import BackboneError, CalrecError
from calrec_recbole.generation.requirements import check_layers
from calrec_recbole.generation.shared_prefix.packed_decoder import Decoder, ModelDecoder, evaluating
from calrec_recbole.generation.shared_prefix.prefix_decoder import PrefixDecoder

__all__ = ["check_backbone", "exact_products", "fault", "product_precisions"]

LENGTH = 64  # tokens of the longer prompt ...
WIDEST_WINDOW = 1024  # ... or a few more than a layer's window, up to this one
TAIL = 2  # tokens read after the prompts
SMALLEST = 1e-9  # below it an error is none
EXACT = 5e-5  # of the logits' root mean square; in float32, 20 healthy architectures are off by 1e-7 to 3e-6
ROUNDING = 2.0  # times the plain pass's own error; healthy ones measured .9 to 1.3 in bfloat16 and float16
TRIES = 3  # sets of tokens, of which one must pass: an expert chosen otherwise by rounding is no wrong attention

_checked: "WeakKeyDictionary[PreTrainedModel, set[tuple[Any, ...]]]" = WeakKeyDictionary()


def check_backbone(model: PreTrainedModel) -> None:
    """Raises BackboneError where ``model`` on shared prompts is not itself, before it makes silently wrong samples.

    Done once a model object, device and precision.
    """
    done = _checked.setdefault(model, set())
    here = model.device.type, model.dtype, *product_precisions()
    if here in done:
        return
    check_layers(model)
    found = fault(model, model, lambda _: ModelDecoder(model))
    if found is not None:
        raise BackboneError(f"{type(model).__name__} {found}; choose another backbone")
    done.add(here)


def fault(model: PreTrainedModel, plain: PreTrainedModel, decoder: Callable[[torch.dtype], Decoder]) -> str | None:
    """What is wrong with a way of sampling from ``model``, None where nothing is.

    Two prompts of unequal length, and two ways to go on from each, are read by plain passes and by those of
    ``decoder``, asked for by its precision. In float32, with products in full precision, the logits must agree: so
    position biases, state spaces and whatever else the shared attention does not know are found. In the precision of
    ``plain``, which has the weights of ``model``, they may be off the float32 logits by twice what its own passes are.

    Raises BackboneError where the weights are broken, or the passes cannot run.
    """
    with evaluating(model), evaluating(plain):
        with _exact(model):
            reference = _plain(model, 0)
            if not bool(reference.isfinite().all()):
                raise BackboneError(
                    f"the logits of {type(model).__name__} are not numbers (NaN); its weights are broken"
                )
            size = _error(reference, 0 * reference)
            gap = _error(_shared(model, decoder(model.dtype), 0), reference)
        if not gap <= EXACT * size + SMALLEST:
            return f"on shared prompts is off by {gap:.2g} in logits of {size:.2g}: its attention is not known here"
        if torch.equal(_plain(plain, 0), reference):
            return None  # nothing is rounded here that was not above
        lower = decoder(plain.dtype)
        if not any(_rounds_alike(model, plain, lower, seed) for seed in range(TRIES)):
            precision = str(plain.dtype).removeprefix("torch.")
            return f"in {precision} on shared prompts is off by more than {ROUNDING:g} times what a plain pass is"
    return None


def _rounds_alike(model: PreTrainedModel, plain: PreTrainedModel, decoder: Decoder, seed: int) -> bool:
    """Whether the shared passes are as near the exact logits as the plain ones are."""
    with _exact(model):
        reference = _plain(model, seed)
    floor = EXACT * _error(reference, 0 * reference) + SMALLEST
    found = _error(_shared(plain, decoder, seed), reference)
    return found <= ROUNDING * _error(_plain(plain, seed), reference) + floor


def _error(found: Tensor, expected: Tensor) -> float:
    """The root mean square of the differences: one wild logit says little, all of them together much."""
    return float((found - expected).square().mean().sqrt())


@torch.inference_mode()
def _plain(model: PreTrainedModel, seed: int) -> Tensor:
    """(rows, 1 + TAIL, V) float32 or float64 logits after each row's prompt and each token behind, in plain passes."""
    rows = [torch.cat((prompt, tail)) for prompt, tails in _rows(model, seed) for tail in tails]
    found = [model(input_ids=row[None], use_cache=False).logits[0, -1 - TAIL :] for row in rows]
    return torch.stack(found).to(torch.promote_types(model.dtype, torch.float32))


@torch.inference_mode()
def _shared(model: PreTrainedModel, decoder: Decoder, seed: int) -> Tensor:
    """What `_plain` returns, in the passes of sampling. Raises BackboneError where these cannot run."""
    prompts, tails = zip(*_rows(model, seed), strict=True)
    try:
        with decoder.passing():
            found = _read(decoder, list(prompts), torch.cat(tails))
    except CalrecError:
        raise
    except Exception as error:
        raise BackboneError(
            f"{type(model).__name__} cannot sample on shared prompts: its attention has its own way with keys and "
            f"values ({error}); choose another backbone"
        ) from error
    return found.to(torch.promote_types(decoder.dtype, torch.float32))


def _read(decoder: Decoder, prompts: list[Tensor], tails: Tensor) -> Tensor:
    """(rows, 1 + TAIL, V) logits of rows that share their prompt and part after their first token."""
    tree = PrefixDecoder(decoder, prompts, max_rows=len(tails), max_steps=TAIL)
    rows = torch.arange(len(prompts), device=tails.device).repeat_interleave(len(tails) // len(prompts))
    found = [tree.logits[rows]]
    for tokens in tails.T:
        rows = tree.read(rows, tokens)
        found.append(tree.logits[rows])
    return torch.stack(found, dim=1)


def _rows(model: PreTrainedModel, seed: int) -> list[tuple[Tensor, Tensor]]:
    """Two prompts (P,) of random tokens, and of each the (2, TAIL) tokens that follow: one in common, then another."""
    vocabulary, device = model.config.get_text_config().vocab_size, model.device
    tokens = torch.randint(vocabulary, (_length(model),), generator=torch.Generator().manual_seed(seed)).to(device)
    prompts = tokens, tokens[len(tokens) // 2 :]
    return [(prompt, torch.stack((prompt[[0, 0]], prompt[[0, -1]]))) for prompt in prompts]


def _length(model: PreTrainedModel) -> int:
    config = model.config.get_text_config()
    window = getattr(config, "sliding_window", None) or 0
    room = getattr(config, "max_position_embeddings", None) or LENGTH + WIDEST_WINDOW
    wanted = max(LENGTH, window + 8) if window <= WIDEST_WINDOW else LENGTH
    return min(wanted, room - TAIL)


@contextmanager
def _exact(model: PreTrainedModel) -> Iterator[None]:
    """The model in float32 at least, its products in full precision; all is put back as it was."""
    lifted = [one for one in model.parameters() if one.dtype in (torch.float16, torch.bfloat16)]
    kept = [one.data for one in lifted]
    try:
        with torch.inference_mode(False), torch.no_grad():
            for one in lifted:
                one.data = one.data.float()
        with exact_products():
            yield
    finally:
        for one, data in zip(lifted, kept, strict=True):
            one.data = data
