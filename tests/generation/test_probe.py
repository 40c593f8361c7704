"""The probe lets every healthy model pass, whatever its precision, and refuses a wrong attention in each of them."""

from contextlib import contextmanager, nullcontext

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import MixtralConfig, MixtralForCausalLM

from calrec_recbole.errors import BackboneError
from calrec_recbole.generation import sample
from calrec_recbole.generation.probe import check_backbone
from calrec_recbole.generation.shared_prefix import packed_decoder as decoders
from calrec_recbole.generation.shared_prefix.key_values import KeyValues
from calrec_recbole.generation.shared_prefix.pass_layout import Spans

HALVES = [torch.bfloat16, torch.float16]
PRODUCTS = ("linear", "matmul", "mm", "addmm", "bmm", "baddbmm", "_scaled_dot_product_flash_attention_for_cpu")


class TF32(TorchDispatchMode):
    """Matrix products of numbers with 10 bits behind the point, where float32 products may be rounded at all."""

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        name = function.overloadpacket.__name__
        if name in PRODUCTS and torch.backends.cuda.matmul.fp32_precision == "tf32":
            arguments = [rounded(one) if isinstance(one, torch.Tensor) else one for one in arguments]
        return function(*arguments, **(options or {}))


def rounded(values):
    return (values.view(torch.int32) + (1 << 12) & ~((1 << 13) - 1)).view(torch.float32)


@contextmanager
def tf32():
    before = torch.backends.cuda.matmul.fp32_precision
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    try:
        with TF32():
            yield
    finally:
        torch.backends.cuda.matmul.fp32_precision = before


@pytest.mark.parametrize("name", ["llama", "gemma3", "qwen2", "qwen3"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, *HALVES])
def test_healthy_models_pass_in_every_precision(build, name, dtype):
    model = build(name).to(dtype)
    before = {name: values.clone() for name, values in model.state_dict().items()}
    check_backbone(model)
    assert all(torch.equal(values, before[name]) for name, values in model.state_dict().items())
    assert model.dtype == dtype


def test_rounded_products_pass_and_are_really_rounded(decoder):
    ids = torch.tensor([[1, 2, 3]])
    with torch.inference_mode():
        exact = decoder.eval()(ids).logits
        with tf32():
            gap = float((decoder(ids).logits - exact).abs().max())
    assert gap > 1e-4
    with tf32():
        check_backbone(decoder)
        assert torch.backends.cuda.matmul.fp32_precision == "tf32"


@pytest.mark.parametrize("dtype", [torch.float32, *HALVES])
def test_a_mixture_of_experts_passes(dtype):
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "num_key_value_heads": 1}
    config = MixtralConfig(
        vocab_size=50, num_hidden_layers=3, num_local_experts=4, initializer_range=0.4, eos_token_id=0, **sizes
    )
    check_backbone(MixtralForCausalLM(config).to(dtype))


def hidden_token(attention, states, *rest):
    mask = states.prompt_mask
    states.prompt_mask = lambda *asked: first_hidden(mask(*asked))
    try:
        return attention(states, *rest)
    finally:
        del states.prompt_mask


def first_hidden(mask):
    mask = mask.clone()
    mask[..., 0] = torch.finfo(mask.dtype).min
    return mask


def other_scale(attention, states, layer, query, scaling, window):
    return attention(states, layer, query, 1.5 * scaling, window)


def wider_window(attention, states, layer, query, scaling, window):
    return attention(states, layer, query, scaling, window and window + 2)


WRONG = {"mask": ("llama", hidden_token), "scale": ("llama", other_scale), "window": ("gemma3", wider_window)}


@pytest.fixture
def attention_is(monkeypatch):
    def attention_is(wrong, dtypes):
        right = decoders.shared_attention

        def attention(states, layer, query, *rest):
            if query.dtype in dtypes:
                return wrong(right, states, layer, query, *rest)
            return right(states, layer, query, *rest)

        monkeypatch.setattr(decoders, "shared_attention", attention)

    return attention_is


@pytest.mark.parametrize("fault", WRONG)
@pytest.mark.parametrize("dtype", [torch.float32, "tf32", *HALVES])
def test_a_wrong_attention_is_refused_in_every_precision(build, attention_is, fault, dtype):
    name, wrong = WRONG[fault]
    model = build(name)
    attention_is(wrong, [torch.float32, *HALVES])
    with tf32() if dtype == "tf32" else nullcontext(), pytest.raises(BackboneError, match=r"is off by"):
        check_backbone(model if dtype == "tf32" else model.to(dtype))


@pytest.mark.parametrize("fault", WRONG)
@pytest.mark.parametrize("dtype", HALVES)
def test_an_attention_that_is_wrong_in_that_precision_alone_is_refused_in_it(build, attention_is, fault, dtype):
    name, wrong = WRONG[fault]
    attention_is(wrong, [dtype])
    check_backbone(build(name))
    with pytest.raises(BackboneError, match="more than 2 times what a plain pass is"):
        check_backbone(build(name).to(dtype))


@pytest.mark.parametrize("dtype", [torch.float32, *HALVES])
def test_wrong_positions_are_refused(llama, monkeypatch, dtype):
    begin = KeyValues.begin

    def late(self, read, *asked):
        begin(self, read, *asked)
        self.positions = self.positions + isinstance(read, Spans)

    monkeypatch.setattr(KeyValues, "begin", late)
    with pytest.raises(BackboneError, match="is off by"):
        check_backbone(llama.to(dtype))


def test_another_precision_of_the_same_model_is_checked_anew(llama, passes):
    rows = passes(llama)
    check_backbone(llama)
    once = len(rows)
    check_backbone(llama)
    assert len(rows) == once
    check_backbone(llama.bfloat16())
    assert len(rows) > once


def test_broken_weights_are_told_as_such(llama):
    llama.lm_head.weight.data[0, 0] = torch.nan
    with pytest.raises(BackboneError, match="not numbers"):
        sample(llama, [[1, 2]])
