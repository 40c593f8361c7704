"""Packed rows against the same sequences read alone, by every architecture that is claimed."""

import numpy as np
import pytest
import torch
import transformers

from calrec_recbole.attention.varlen import varlen_attention_in_loops
from calrec_recbole.backbone import Backbone
from calrec_recbole.errors import BackboneError, ConfigError
from calrec_recbole.examples import IGNORED, Example
from calrec_recbole.training.distributed.processes import Processes
from calrec_recbole.training.micro_batches import packed_attention
from calrec_recbole.training.micro_batches.packed_attention import attending_packed, blocks_of
from calrec_recbole.training.micro_batches.packing import pack, read_packed, rows_of
from calrec_recbole.training.micro_batches.packing_check import reads_packed

CPU = torch.device("cpu")
SIZES = {"vocab_size": 60, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2}
GEMMA_LAYERS = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 5}
ARCHITECTURES = {
    "llama": ("LlamaConfig", {**SIZES, **HEADS}),
    "mistral, windows of 5": ("MistralConfig", {**SIZES, **HEADS, "sliding_window": 5}),
    "qwen2": ("Qwen2Config", {**SIZES, **HEADS}),
    "qwen3": ("Qwen3Config", {**SIZES, **HEADS, "head_dim": 8}),
    "gemma3, one layer with windows": ("Gemma3TextConfig", {**SIZES, **HEADS, "head_dim": 8, **GEMMA_LAYERS}),
    "gpt-neox": ("GPTNeoXConfig", {**SIZES, "num_attention_heads": 4}),
    "smollm3": ("SmolLM3Config", {**SIZES, **HEADS, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}),
    "gpt2": ("GPT2Config", {"vocab_size": 60, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64}),
}


def backbone_of(name, **changes):
    kind, sizes = ARCHITECTURES[name]
    torch.manual_seed(3)
    config = getattr(transformers, kind)(**{**sizes, **changes})
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.2)  # so that attention is far from uniform
    return Backbone(model, None)


def example(rng, length, prompt, every=False):
    tokens = rng.integers(3, 60, length)
    labels = np.full(length, IGNORED)
    labels[0 if every else prompt - 1 : -1] = tokens[1 if every else prompt :]
    return Example(tokens, prompt, labels)


def some_examples():
    rng = np.random.default_rng(1)
    return [example(rng, *sizes) for sizes in ((9, 6), (23, 20, True), (9, 3), (12, 4), (2, 1))]


START = np.array([1])  # the tokenizer's start token


@pytest.fixture(params=[False, True], ids=["blocks", "kernel's loop"])
def kernel(request, monkeypatch):
    """Both ways to attend; the fused kernel's by what it computes, in loops."""
    if request.param:
        monkeypatch.setattr(packed_attention, "fused", lambda states: True)

        def in_loops(*args, dropout, **options):
            assert dropout == 0
            return varlen_attention_in_loops(*args, **options)

        monkeypatch.setattr(packed_attention, "varlen_attention", in_loops)


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.usefixtures("kernel")
def test_a_row_gives_what_its_sequences_give_alone(name):
    """Features, predicting states and the gradient through them, against one forward a sequence."""
    backbone, examples = backbone_of(name), some_examples()
    trunk, weights = backbone.trunk, list(backbone.model.parameters())
    packing = pack(examples, [0, 1, 2, 3, 4], [3, 0], START, CPU)
    with attending_packed(backbone.model):
        towers = read_packed(trunk, packing)
        loss = towers.hidden.square().sum() + towers.user.sum() + towers.target_in_context.prod()
        loss = loss + towers.target_alone.square().sum()
        ours = torch.autograd.grad(loss, weights, allow_unused=True)
    hidden = {row: trunk(torch.from_numpy(one.tokens)[None]).last_hidden_state[0] for row, one in enumerate(examples)}
    user = torch.stack([hidden[row][: examples[row].prompt_length].mean(0) for row in towers.sequences.tolist()])
    context = torch.stack([hidden[row][examples[row].prompt_length :].mean(0) for row in towers.sequences.tolist()])
    targets = [torch.from_numpy(np.concatenate([START, examples[row].target])) for row in towers.targets.tolist()]
    alone = torch.stack([trunk(target[None]).last_hidden_state[0][1:].mean(0) for target in targets])
    predicting = torch.cat([hidden[row][examples[row].labels != IGNORED] for row in towers.sequences.tolist()])
    for one, other in zip(
        (towers.user, towers.target_in_context, towers.hidden, towers.target_alone),
        (user, context, predicting, alone),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    loss = predicting.square().sum() + user.sum() + context.prod() + alone.square().sum()
    for one, other in zip(ours, torch.autograd.grad(loss, weights, allow_unused=True), strict=True):
        if other is not None:
            assert float((one - other).norm()) <= 1e-5 * float(other.norm()) + 1e-6
    assert sorted(towers.sequences.tolist()) == [0, 1, 2, 3, 4]
    assert sorted(towers.targets.tolist()) == [0, 3]
    labels = [examples[row].labels[examples[row].labels != IGNORED] for row in towers.sequences.tolist()]
    assert towers.labels.tolist() == np.concatenate(labels).tolist()


def test_a_row_by_hand():
    one = Example(np.array([7, 8, 9]), 2, np.array([IGNORED, 9, 2]))
    packing = pack([one], [0], [0], START, CPU)
    assert packing.tokens.tolist() == [[7, 8, 9, 1, 9]]
    assert packing.positions.tolist() == [[0, 1, 2, 0, 1]]
    assert packing.segments.starts.tolist() == [0, 3, 5]
    assert packing.segments.longest == 3
    assert packing.features.tolist() == [0, 0, 1, 2, 3]
    assert packing.counts.flatten().tolist() == [2, 1, 1, 1]
    assert (packing.predicts.tolist(), packing.labels.tolist()) == ([1, 2], [9, 2])
    assert (packing.users.tolist(), packing.contexts.tolist(), packing.alone.tolist()) == ([0], [1], [3])


def test_blocks_cover_the_row_in_order():
    lengths = [90, 88, 40, 40, 3, 2, 1]
    blocks = blocks_of(lengths, CPU)
    assert len(blocks) > 1
    assert [block.start for block in blocks] == [0, *(block.stop for block in blocks[:-1])]
    assert blocks[-1].stop == sum(lengths)
    assert sum(block.sequences for block in blocks) == len(lengths)
    states = torch.randn(sum(lengths), 2, 4)
    for block in blocks:
        assert torch.equal(block.gather(block.spread(states)), states[block.start : block.stop])


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("limit", [1, 20, 50, 1000])
def test_rows_hold_every_sequence_once_within_the_limit_and_are_equally_many(world, limit):
    tokens = np.random.default_rng(2).integers(1, 30, 12 * world).tolist()
    of_all = [rows_of(tokens, limit, Processes(rank, world)) for rank in range(world)]
    assert sorted(number for rows in of_all for row in rows for number in row) == list(range(len(tokens)))
    assert len({len(rows) for rows in of_all}) == 1
    for rows in of_all:
        sums = [sum(tokens[number] for number in row) for row in rows]
        assert sums == sorted(sums)
        assert all(total <= limit or len(row) == 1 for total, row in zip(sums, rows, strict=True))


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_check_passes_what_can_be_packed(name, precision):
    assert reads_packed(backbone_of(name), "auto", CPU, precision)


def without_dropout(*args, dropout, **options):
    return varlen_attention_in_loops(*args, **options)


def of_two_sequences(q, k, v, one, other, **options):
    """The first two see each other."""
    merged = [packed_attention.Segments(segments.starts[[0, 2, 3]], 100) for segments in (one, other)]
    return without_dropout(q, k, v, *merged, **options)


WRONG = {
    "queries of the place before": lambda q, *args, **options: without_dropout(q.roll(1, 0), *args, **options),
    "no mask": lambda *args, **options: without_dropout(*args, **{**options, "causal": False}),
    "other scale": lambda *args, scaling, **options: without_dropout(*args, scaling=1.5 * scaling, **options),
    "one sequence sees another": of_two_sequences,
    "no window": lambda *args, **options: without_dropout(*args, **{**options, "window": None}),
}


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("wrong", WRONG)
def test_the_check_refuses_an_attention_that_is_wrong_in_one_precision(wrong, precision, monkeypatch):
    def attention(query, *args, **options):
        return (WRONG[wrong] if query.dtype == precision else without_dropout)(query, *args, **options)

    monkeypatch.setattr(packed_attention, "fused", lambda states: True)
    monkeypatch.setattr(packed_attention, "varlen_attention", attention)
    backbone = backbone_of("mistral, windows of 5")
    for weight in backbone.model.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    assert not reads_packed(backbone, "auto", CPU, precision)
    with pytest.raises(ConfigError, match="packing=true: MistralForCausalLM reads packed rows otherwise"):
        reads_packed(backbone, True, CPU, precision)
    assert backbone.model.config._attn_implementation == "sdpa"


def test_an_attention_that_asks_for_more_is_refused_by_name():
    with pytest.raises(BackboneError, match="asks for softcap"):
        packed_attention.packed_attention(torch.nn.Identity(), *[torch.zeros(1, 1, 2, 4)] * 3, None, softcap=30.0)


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        ("Gemma2Config", {**SIZES, **HEADS, "head_dim": 8}),  # caps its scores
        ("BloomConfig", {"vocab_size": 60, "hidden_size": 16, "n_layer": 2, "n_head": 2}),  # no attention interface
        ("MambaConfig", {"vocab_size": 60, "hidden_size": 16, "num_hidden_layers": 2, "state_size": 4}),
    ],
)
def test_what_cannot_be_packed_is_padded_and_the_log_says_why(kind, sizes, caplog):
    model = transformers.AutoModelForCausalLM.from_config(getattr(transformers, kind)(**sizes))
    with caplog.at_level("INFO"):
        assert not reads_packed(Backbone(model, None), "auto", CPU, torch.float32)
    assert "sequences are padded, not packed: " in caplog.text
    with pytest.raises(ConfigError, match=r"packing=true: .*; set packing: auto"):
        reads_packed(Backbone(model, None), True, CPU, torch.float32)
