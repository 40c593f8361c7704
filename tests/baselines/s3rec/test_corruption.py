from collections import Counter

import torch

from calrec_recbole.baselines.s3rec.corruption import cut_segments, hide_items, other_items

MASK = 99


def test_items_are_hidden_as_often_as_asked_and_pads_never():
    torch.manual_seed(1)
    rows = torch.tensor([[3, 4, 0]]).repeat(10_000, 1)
    torch.testing.assert_close(
        hide_items(rows, 0.2).float().mean(dim=0), torch.tensor([0.2, 0.2, 0.0]), atol=0.02, rtol=0
    )


def test_other_items_are_uniform_over_those_that_the_row_lacks():
    torch.manual_seed(1)
    drawn = Counter(other_items(torch.tensor([[1, 4, 0]]).repeat(9000, 1), 6).tolist())
    assert set(drawn) == {2, 3, 5}
    assert all(abs(count - 3000) < 200 for count in drawn.values())
    assert other_items(torch.tensor([[1, 2]]), 3).tolist()[0] in (1, 2)  # nothing else there is


def test_segments_are_cut_as_a_loop_over_the_rows_says():
    torch.manual_seed(1)
    rows = torch.tensor([[1, 2, 3, 4, 0], [5, 0, 0, 0, 0], [6, 7, 0, 0, 0], [8, 9, 10, 11, 12]])
    pool = [item for row in rows.tolist() for item in row if item]
    for _ in range(200):
        context, own, foreign, lengths = (part.tolist() for part in cut_segments(rows, (rows > 0).sum(1), MASK))
        assert lengths == [4, 2, 5]  # the row of one item is left out
        for row, n, seen, alone, other in zip(rows[[0, 2, 3]].tolist(), lengths, context, own, foreign, strict=True):
            inside = [place for place in range(n) if seen[place] == MASK]
            assert inside == list(range(inside[0], inside[-1] + 1))
            assert 1 <= len(inside) <= n // 2
            assert alone == [row[p] if p in inside else MASK if p < n else 0 for p in range(5)]
            assert seen == [MASK if p in inside else row[p] for p in range(5)]
            cut = [other[place] for place in inside]
            assert any(cut == pool[start : start + len(cut)] for start in range(len(pool)))
            assert other[: inside[0]] == alone[: inside[0]]
            assert other[inside[-1] + 1 :] == alone[inside[-1] + 1 :]


def test_every_segment_is_equally_likely_within_its_size():
    torch.manual_seed(1)
    rows = torch.tensor([[1, 2, 3, 4]]).repeat(12_000, 1)
    context = cut_segments(rows, torch.full((12_000,), 4), MASK).context
    seen = Counter(tuple((row == MASK).nonzero()[:, 0].tolist()) for row in context)
    expected = {(p,): 1500 for p in range(4)} | {(p, p + 1): 2000 for p in range(3)}  # sizes 1 and 2, then the start
    assert set(seen) == set(expected)
    assert all(abs(seen[places] - count) < 200 for places, count in expected.items())
