"""torch's random state, taken and put back."""

import torch

from calrec_recbole.training.device.random_state import RandomState

CPU = torch.device("cpu")


def test_the_same_draws_come_again_inside_the_block_and_go_on_after_it():
    torch.manual_seed(3)
    expected = torch.rand(6)
    torch.manual_seed(3)
    state = RandomState(CPU)
    first = torch.rand(3)
    with state.restored():
        again = torch.rand(3)
    later = torch.rand(3)
    assert torch.equal(first, again)
    assert torch.equal(torch.cat([first, later]), expected)


def test_the_draws_go_on_after_an_error_too():
    torch.manual_seed(3)
    state = RandomState(CPU)
    expected = torch.rand(6)[3:]
    state.set()
    torch.rand(3)
    try:
        with state.restored():
            raise KeyError
    except KeyError:
        assert torch.equal(torch.rand(3), expected)
