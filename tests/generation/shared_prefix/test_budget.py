"""Prompts go together by length within the memory bound."""

import torch

from calrec_recbole.generation.shared_prefix.budget import batches, prompt_bytes


def test_bytes_of_a_prompt_by_hand(llama):
    """2 layers x 2 key heads x 8 floats x (key, value) x 4 bytes = 256 a token; 3 rows of 12 float32 logits."""
    assert prompt_bytes(llama, length=10, n=3, max_new_tokens=5) == (10 + 3 * 5) * 256 + 3 * 12 * 4


def test_batches_are_sorted_by_length_and_bounded(llama):
    prompts = [torch.ones(length, dtype=torch.int64) for length in (9, 2, 5, 2, 30)]
    room = 2 * prompt_bytes(llama, 5, 1, 1)
    assert list(batches(llama, prompts, 1, 1, room)) == [[1, 3], [2], [0], [4]]
    assert list(batches(llama, prompts, 1, 1, 1)) == [[1], [3], [2], [0], [4]]
    assert list(batches(llama, prompts, 1, 1, 1 << 30)) == [[1, 3, 2, 0, 4]]
    assert list(batches(llama, [], 1, 1, 1)) == []
