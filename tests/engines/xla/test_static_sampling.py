"""XLA's way to sample, on a CPU: against plain passes and against inverse cumulative sums by hand."""

import pytest
import torch

from calrec_recbole.engines.xla.static_sampling import draw_in_fixed_shapes

PROMPT = torch.tensor([3, 5, 7, 2])
STEPS, N = 6, 40


def test_samples_follow_the_uniforms_token_by_token(llama, plain_logprob):
    """Each draw is the first token whose cumulative probability reaches the uniform; nats are those of a plain pass."""
    uniforms = torch.rand(STEPS, N, generator=torch.Generator().manual_seed(1))
    tokens, nats = draw_in_fixed_shapes(llama, PROMPT, uniforms, 0.7, [0])
    lengths = set()
    for sample in range(N):
        ids = [token for token in tokens[sample] if token >= 0]
        lengths.add(len(ids))
        with torch.no_grad():
            logits = llama(torch.tensor([[*PROMPT.tolist(), *ids]])).logits[0, len(PROMPT) - 1 :]
        for step, wanted in enumerate([*ids, 0][:STEPS]):
            cumulative = torch.softmax(logits[step] / 0.7, -1).cumsum(-1).tolist()
            below = cumulative[wanted - 1] if wanted else 0.0
            assert below - 1e-5 <= float(uniforms[step, sample]) <= cumulative[wanted] + 1e-5
        ended = [*ids, 0] if len(ids) < STEPS else ids
        assert nats[sample] == pytest.approx(plain_logprob(llama, PROMPT.tolist(), ended), abs=1e-4)
    assert {0, STEPS} & lengths
    assert len(lengths) > 2


def test_several_end_tokens_are_one_event(llama):
    uniforms = torch.rand(1, N, generator=torch.Generator().manual_seed(1))
    tokens, nats = draw_in_fixed_shapes(llama, PROMPT, uniforms, 1.0, [0, 4, 5, 6])
    with torch.no_grad():
        ends = llama(PROMPT[None]).logits[0, -1].softmax(-1)[[0, 4, 5, 6]].sum().log()
    ended = [nats[row] for row in range(N) if tokens[row] == [-1]]
    assert ended
    assert ended == pytest.approx([float(ends)] * len(ended), abs=1e-5)
    assert not {0, 4, 5, 6} & {token for row in tokens for token in row}
