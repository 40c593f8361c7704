import math

import pytest
import torch

from calrec_recbole.baselines.unisrec.adaptor import MoEAdaptor, mix, noisy_gates, whiten

N, D, H, E = 5, 4, 3, 2


@pytest.fixture
def adaptor():
    torch.manual_seed(1)
    made = MoEAdaptor(E, D, H, dropout=0.2)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter)
    return made


def loops(adaptor, x, noise):
    """The whole adaptor without dropout, one number at a time."""
    rows = []
    for row, disturbance in zip(x.tolist(), noise.tolist(), strict=True):
        logits = []
        for e in range(E):
            gate = sum(row[d] * adaptor.w_gate[d, e].item() for d in range(D))
            scale = math.log1p(math.exp(sum(row[d] * adaptor.w_noise[d, e].item() for d in range(D))))
            logits.append(gate + disturbance[e] * scale)
        total = sum(map(math.exp, logits))
        vector = [0.0] * H
        for e, expert in enumerate(adaptor.experts):
            for h in range(H):
                for d in range(D):
                    centred = row[d] - expert.bias[d].item()
                    vector[h] += math.exp(logits[e]) / total * expert.lin.weight[h, d].item() * centred
        rows.append(vector)
    return torch.tensor(rows)


def test_the_adaptor_is_the_loop_over_experts_and_numbers(adaptor):
    x = torch.randn(N, D)
    torch.testing.assert_close(adaptor.eval()(x), loops(adaptor, x, torch.zeros(N, E)))


def test_noise_is_scaled_by_softplus(adaptor):
    x, noise = torch.randn(N, D), torch.randn(N, E)
    outputs = torch.stack([expert(x) for expert in adaptor.experts], dim=1)
    found = mix(outputs, noisy_gates(x, adaptor.w_gate, adaptor.w_noise, noise))
    torch.testing.assert_close(found, loops(adaptor, x, noise))


def test_whitening_by_hand():
    """W (x - b) = [[1, 2]] ((3, 4) - (1, 5)) = 2 - 2 = 0 and [[0, 3]] -> -3."""
    found = whiten(torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, 2.0], [0.0, 3.0]]), torch.tensor([1.0, 5.0]))
    assert found.tolist() == [[0.0, -3.0]]


def test_gates_are_uniform_at_the_beginning():
    fresh = MoEAdaptor(8, D, H, dropout=0.2)
    assert noisy_gates(torch.randn(N, D), fresh.w_gate, fresh.w_noise).tolist() == [[0.125] * 8] * N


def test_noise_and_dropout_are_of_training_only(adaptor):
    x = torch.randn(N, D)
    assert torch.equal(adaptor.eval()(x), adaptor(x))
    assert not torch.equal(adaptor.train()(x), adaptor(x))


def test_the_noise_weights_learn(adaptor):
    adaptor.train()(torch.randn(N, D)).sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in adaptor.parameters())
