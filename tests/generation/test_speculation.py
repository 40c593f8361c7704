"""Speculation draws the samples of plain sampling, whatever is proposed, in the passes that a hand can count."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from transformers import LlamaConfig, LlamaForCausalLM

from calrec_recbole.generation import CatalogueProposer, sample

PROMPTS = [[1, 2, 3], [4, 5, 7, 8, 1, 2, 3, 4, 5], [6], [1, 2, 3, 4, 5, 6, 7]]
STEPS, SEEDS = 20, [11, 12, 13, 14]


class Table:
    """Chains looked up by the whole text; ``otherwise`` after any other."""

    def __init__(self, table=None, otherwise=(), longest=5):
        self.table, self.otherwise, self.longest = table or {}, otherwise, longest

    def chains(self, texts, lengths):
        found = np.full((len(texts), self.longest), -1)
        for row, (text, length) in enumerate(zip(texts.numpy(), lengths.tolist(), strict=True)):
            if length:
                assert (text[:length] >= 0).all()
                assert (text[length:] == -1).all()
                chain = self.table.get(tuple(text[:length].tolist()), self.otherwise)[: self.longest]
                found[row, : len(chain)] = chain
        return torch.from_numpy(found)


class Garbage:
    """Random tokens, the end token 0 among them, in chains of random length."""

    longest = 6

    def __init__(self):
        self.random = np.random.default_rng(0)

    def chains(self, texts, lengths):
        found = self.random.integers(0, 12, (len(texts), self.longest))
        shown = np.arange(self.longest) < self.random.integers(0, 7, (len(texts), 1))
        return torch.from_numpy(np.where(shown, found, -1))


def right(samples, longest):
    """After every prefix of a sample, what the sample goes on with."""
    ids = [one.token_ids for user in samples for one in user]
    return Table({text[:cut]: text[cut:] for text in ids for cut in range(1, len(text) + 1)}, longest=longest)


def assert_same(samples, expected):
    for user, wanted in zip(samples, expected, strict=True):
        found = {one.token_ids: one for one in user}
        assert {ids: one.count for ids, one in found.items()} == {one.token_ids: one.count for one in wanted}
        for one in wanted:
            assert found[one.token_ids].logprob == pytest.approx(one.logprob, abs=1e-4)


@pytest.mark.parametrize("name", ["llama", "gemma3"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("proposals", ["right", "far", "wrong", "empty", "garbage", "catalogue"])
def test_same_samples_whatever_is_proposed(build, name, dtype, proposals):
    model = build(name).to(dtype)  # Gemma's window of 4 tokens ends inside prompts, suffixes and chains
    settings = {"n": 24, "temperature": 1.1, "max_new_tokens": STEPS, "seeds": SEEDS}
    plain = sample(model, PROMPTS, **settings)
    assert max(len(one.token_ids) for user in plain for one in user) > 10
    proposer = {
        "right": lambda: right(plain, 3),
        "far": lambda: right(plain, 2 * STEPS),
        "wrong": lambda: Table(otherwise=(9, 9, 9, 9)),
        "empty": Table,
        "garbage": Garbage,
        "catalogue": lambda: CatalogueProposer(list({one.token_ids: 0 for user in plain for one in user}), 4, 0.3),
    }[proposals]()
    assert_same(sample(model, PROMPTS, proposer=proposer, **settings), plain)


def test_batching_does_not_change_the_samples(llama):
    settings = {"n": 16, "temperature": 1.0, "max_new_tokens": STEPS, "seeds": SEEDS}
    plain = sample(llama, PROMPTS, **settings)
    assert_same(sample(llama, PROMPTS, proposer=right(plain, 4), memory_bytes=1, **settings), plain)


def test_counts_follow_the_exact_probabilities():
    """Three tokens at most of five ids, half of the proposals random: chi-square over all outcomes."""
    torch.manual_seed(1)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=5, initializer_range=0.5, eos_token_id=0, **sizes)).eval()
    prompt, temperature, steps, n, repeats = [1, 3, 2], 0.7, 3, 8, 800

    @torch.inference_mode()
    def probabilities(prefix=()):
        if len(prefix) == steps:
            return {prefix: 1.0}
        logits = model(torch.tensor([[*prompt, *prefix]])).logits[0, -1].double()
        outcomes = {}
        for token, probability in enumerate(torch.softmax(logits / temperature, -1).tolist()):
            below = {prefix: 1.0} if token == 0 else probabilities((*prefix, token))
            outcomes |= {ids: probability * rest for ids, rest in below.items()}
        return outcomes

    class Random(Garbage):
        def chains(self, texts, lengths):
            return super().chains(texts, lengths).clip(max=4)

    settings = {"n": n, "temperature": temperature, "max_new_tokens": steps, "memory_bytes": 1 << 23}
    drawn = sample(model, [prompt] * repeats, generator=torch.Generator().manual_seed(0), proposer=Random(), **settings)
    seen = {}
    for user in drawn:
        for one in user:
            seen[one.token_ids] = seen.get(one.token_ids, 0) + one.count
    expected = {ids: n * repeats * p for ids, p in probabilities().items()}
    assert set(seen) <= set(expected)
    common = [ids for ids, count in expected.items() if count >= 5]
    assert len(common) > 10
    observed = [seen.get(ids, 0) for ids in common]
    wanted = [expected[ids] for ids in common]
    rest = n * repeats
    assert chisquare([*observed, rest - sum(observed)], [*wanted, rest - sum(wanted)]).pvalue > 1e-3


@pytest.fixture
def only_way(llama):
    """A model at a temperature so low that it says one thing, and what it says after PROMPTS[0], an end set by hand."""
    settings = {"n": 4, "temperature": 1e-4, "seeds": [0]}

    def way(steps, end=11, **more):
        llama.generation_config.eos_token_id = end
        work = []
        (samples,) = sample(llama, PROMPTS[:1], max_new_tokens=steps, work=work, **settings, **more)
        (one,) = samples
        return one.token_ids, work[0]

    return way


def test_passes_and_tokens_by_hand(only_way):
    text, work = only_way(9)
    assert len(text) == 9
    assert work == (9, 8)  # the prompt, then eight tokens of the text: the ninth is drawn and not read
    after = {text[:cut]: text[cut:] for cut in range(1, 10)}
    # each pass reads the drawn token and three more, and draws a fourth: 1 | 4 | 4 tokens drawn, read 4 + 4
    assert only_way(9, proposer=Table(after, longest=3)) == (text, (3, 8))
    assert only_way(9, proposer=Table(after, longest=20)) == (text, (2, 8))  # the chain is cut before the ninth
    wrong = (text[1] + 1) % 12 or 1
    assert only_way(9, proposer=Table({text[:1]: (wrong, *text[2:])}, longest=8)) == (text, (9, 15))  # 7 more, unused


def test_max_new_tokens_cuts_inside_a_chain(only_way):
    text, _ = only_way(9)
    proposer = Table({text[:cut]: text[cut:] for cut in range(1, 10)}, longest=20)
    for steps in range(1, 9):
        found, work = only_way(steps, proposer=proposer)
        assert found == text[:steps]
        assert work == (min(steps, 2), steps - 1)


def test_an_end_inside_a_chain_ends_the_sample(only_way):
    text, _ = only_way(9)
    end = text[5]
    cut = text.index(end)
    assert cut > 1
    proposer = Table({text[:1]: text[1:]}, longest=20)  # proposes the end token and goes on behind it
    ended, work = only_way(9, end)
    assert (ended, work.passes) == (text[:cut], 1 + cut)
    assert only_way(9, end, proposer=proposer) == (text[:cut], (2, 8))
    short = Table({text[:1]: text[1:cut]}, longest=20)  # a chain up to the end: the draw behind it finds it
    assert only_way(9, end, proposer=short) == (text[:cut], (2, cut))


def test_work_is_that_of_each_prompt_whatever_the_batch(llama, passes):
    settings = {"n": 8, "temperature": 0.9, "max_new_tokens": STEPS, "seeds": SEEDS}
    plain = sample(llama, PROMPTS, **settings)
    proposer, together, alone = right(plain, 4), [], []
    sample(llama, PROMPTS, proposer=proposer, work=together, **settings)
    rows = passes(llama)
    sample(llama, PROMPTS, proposer=proposer, work=alone, memory_bytes=1, **settings)
    assert together == alone
    assert sum(one.passes for one in alone) == len(rows)
    assert sum(one.tokens for one in alone) == sum(rows) - sum(map(len, PROMPTS))


def test_the_suffix_of_a_row_hides_what_was_never_written(build):
    """Rows far apart in depth leave places unwritten; whatever memory held there must not reach a row."""
    model = build("llama")
    settings = {"n": 16, "temperature": 1.1, "max_new_tokens": STEPS, "seeds": SEEDS}
    plain = sample(model, PROMPTS, **settings)
    new_empty = torch.Tensor.new_empty
    torch.Tensor.new_empty = lambda self, *size, **options: new_empty(self, *size, **options).fill_(torch.nan)
    try:
        assert_same(sample(model, PROMPTS, proposer=right(plain[:1], STEPS), **settings), plain)
    finally:
        torch.Tensor.new_empty = new_empty


def test_a_pass_reads_no_more_tokens_than_it_may(llama, passes):
    """8 rows a prompt may read 4 tokens each on average: chains of 20 tokens are cut where rows are many."""
    settings = {"n": 8, "temperature": 0.9, "max_new_tokens": STEPS, "seeds": SEEDS}
    plain = sample(llama, PROMPTS, **settings)
    rows = passes(llama)
    assert_same(sample(llama, PROMPTS, proposer=Table(otherwise=(9,) * 20, longest=20), **settings), plain)
    assert max(rows[1:]) <= 8 * 4 * len(PROMPTS)
    assert max(rows[1:]) > 8 * 2 * len(PROMPTS)
