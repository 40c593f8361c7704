"""How large a group may be: by the memory that is free, and by what happens when it runs out."""

import pytest
import torch

from calrec_recbole.errors import ConfigError
from calrec_recbole.training import TrainingSettings
from calrec_recbole.training.cached_gradients import BatchGradient
from calrec_recbole.training.micro_batches.sizes import Sizes, cpu_sizes, halved, head_rows_for, tokens_for

MIB = 2**20


def test_what_a_token_takes_is_parted_from_what_every_group_takes():
    """100 MiB and 10 KiB a token: 0.8 of 1 GiB less the 100 hold 73,646 tokens, in whole thousands 71 * 1,024."""
    asked = []

    def peak(tokens):
        asked.append(tokens)
        return 100 * MIB + 10240 * tokens

    room = (0.8 * 1024 - 100) * MIB / 10240
    assert tokens_for(1024 * MIB, peak) == int(room // 1024) * 1024 == 71 * 1024
    assert asked == [1024, 4096]


def test_a_group_has_at_least_a_thousand_tokens_and_at_most_a_quarter_of_a_million():
    assert tokens_for(1, lambda tokens: 10240 * tokens) == 1024
    assert tokens_for(1 << 50, lambda tokens: 10240 * tokens) == 1 << 18


def test_the_logits_of_one_go_take_a_sixteenth_of_the_memory():
    rows = head_rows_for(16 << 30, 49152)
    assert rows * 49152 * 14 <= 1 << 30 < (rows + 1) * 49152 * 14
    assert head_rows_for(1, 49152) == 256


def test_on_a_cpu_auto_is_what_suits_its_caches():
    assert cpu_sizes(TrainingSettings(train_steps=1)) == Sizes(8192, 100, 256)
    assert cpu_sizes(TrainingSettings(train_steps=1, micro_batch_tokens=77, micro_batch_cost=5)) == Sizes(77, 5, 256)


def out_of_memory_above(tokens, monkeypatch):
    """A device that holds groups of ``tokens`` tokens: it gives out in the middle of the batch."""
    read = BatchGradient.read

    def limited(batch, group):
        towers = read(batch, group)
        if group.tokens.numel() > tokens:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return towers

    monkeypatch.setattr(BatchGradient, "read", limited)


def test_out_of_memory_halves_the_groups_and_changes_no_number(tiny_training, monkeypatch, caplog):
    """Dropout included: the second attempt draws what the first one drew."""

    def losses(run):
        found = []
        torch.manual_seed(4)
        run.run(4, lambda report: found.append([report.total, report.tt, report.gradient_norm]))
        return torch.tensor(found, dtype=torch.float64)

    expected = losses(tiny_training(micro_batch_tokens=250, alpha=0.7, beta=0.2))
    out_of_memory_above(250, monkeypatch)
    run = tiny_training(micro_batch_tokens=1000, alpha=0.7, beta=0.2)
    with caplog.at_level("WARNING"):
        torch.testing.assert_close(losses(run), expected, rtol=1e-6, atol=1e-6)
    assert run.sizes == Sizes(250, 0, 64)
    assert [record.message for record in caplog.records] == [
        "out of memory: from step 0 on micro_batch_tokens is 500",
        "out of memory: from step 0 on micro_batch_tokens is 250",
    ]


def test_dropout_draws_the_same_after_an_attempt_that_failed(tiny_training, monkeypatch):
    def first_loss(**changes):
        run, found = tiny_training(dropout=0.3, **changes), []
        torch.manual_seed(4)
        run.run(1, lambda report: found.append(report.total))
        return found[0]

    expected = first_loss(micro_batch_tokens=1000)
    tries = []
    accumulate = BatchGradient.accumulate

    def second_time(batch):
        parts = accumulate(batch)
        if not tries:
            tries.append(1)
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return parts

    monkeypatch.setattr(BatchGradient, "accumulate", second_time)
    assert first_loss(micro_batch_tokens=2000) == expected  # 1,000 tokens hold the batch whole, as 2,000 do


def test_one_sequence_that_does_not_fit_is_told_in_one_line(tiny_training, monkeypatch):
    out_of_memory_above(1, monkeypatch)
    with pytest.raises(ConfigError, match=r"micro_batch_tokens=\d+: out of memory \(CUDA out of memory.*; lower it"):
        tiny_training(micro_batch_tokens=1000).run(1, lambda report: None)


def test_sizes_go_down_to_one():
    assert halved(Sizes(1, 7, 1)) == Sizes(1, 7, 1)
    assert halved(Sizes(1000, 7, 256)) == Sizes(500, 7, 128)
