"""Where the packed tokens of a pass stand, by hand."""

import torch

from calrec_recbole.generation.shared_prefix.pass_layout import Layout, Prompts

CPU = torch.device("cpu")


def test_packed_tokens_go_to_their_places_and_come_back():
    layout = Layout(torch.tensor([0, 3, 4]), groups=2, width=3)
    spread = layout.spread(torch.tensor([7.0, 8.0, 9.0]))
    assert spread.tolist() == [[7, 0, 0], [8, 9, 0]]
    assert layout.pack(spread).tolist() == [7, 8, 9]


def test_states_keep_their_width():
    layout = Layout(torch.tensor([1, 2]), groups=2, width=2)
    states = torch.randn(2, 5, 4)
    assert layout.spread(states).shape == (2, 2, 5, 4)
    assert torch.equal(layout.pack(layout.spread(states)), states)


def test_prompts_stand_user_after_user():
    prompts = Prompts([2, 3], CPU)
    assert prompts.users.tolist() == [0, 0, 1, 1, 1]
    assert prompts.positions.tolist() == [0, 1, 0, 1, 2]
    assert prompts.lasts.tolist() == [1, 4]
    assert prompts.layout.spread(torch.arange(1, 6)).tolist() == [[1, 2, 0], [3, 4, 5]]
