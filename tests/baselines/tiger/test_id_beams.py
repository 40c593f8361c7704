"""Beam search over a tree of ids against transformers' own passes, one for each item."""

import itertools

import pytest
import torch
from transformers import T5Config, T5ForConditionalGeneration

from calrec_recbole.baselines.tiger.id_beams import MOST_LEVELS, IdDecoder, IdTree, best_items

IDS = torch.tensor([[1, 4, 7], [1, 5, 7], [2, 4, 7], [2, 4, 8], [3, 6, 7], [1, 5, 8], [2, 6, 9]])
TOKENS = torch.tensor([[1, 4, 7, 2, 4, 8], [3, 6, 7, 0, 0, 0]])


@pytest.fixture
def network():
    torch.manual_seed(0)
    sizes = {"d_model": 8, "d_kv": 3, "d_ff": 16, "num_layers": 2, "num_heads": 2, "dropout_rate": 0.5}
    return T5ForConditionalGeneration(T5Config(vocab_size=10, decoder_start_token_id=0, **sizes)).eval()


def logits_of(network, row, written):
    """(len(written), 10), by transformers: the row alone, without its pads."""
    tokens = row[row != 0][None]
    return network(input_ids=tokens, decoder_input_ids=torch.tensor([[0, *written]])[:, : len(written)]).logits[0]


def item_nats(network, row):
    """log P of each id, by the definition: at each level the softmax over the tokens that some id goes on with."""
    found = []
    for one in IDS.tolist():
        logits, total = logits_of(network, row, one), 0.0
        for level, token in enumerate(one):
            known = sorted({other[level] for other in IDS.tolist() if other[:level] == one[:level]})
            total += float(logits[level, known].log_softmax(dim=0)[known.index(token)])
        found.append(total)
    return torch.tensor(found)


@torch.no_grad()
def test_with_beams_for_all_every_item_has_its_probability_and_they_sum_to_one(network):
    items, nats = best_items(network, TOKENS, (TOKENS != 0).long(), IdTree.of(IDS), beams=100)
    for row, found, values in zip(TOKENS, items, nats, strict=True):
        found, values = found[values > -torch.inf], values[values > -torch.inf]  # the tree has fewer ways than places
        assert sorted(found.tolist()) == list(range(7))
        torch.testing.assert_close(values, item_nats(network, row)[found], atol=1e-5, rtol=0)
        assert float(values.exp().sum()) == pytest.approx(1, abs=1e-5)
        assert torch.equal(values, values.sort(descending=True).values)


@torch.no_grad()
def test_what_is_read_at_once_changes_nothing(network, monkeypatch):
    together = best_items(network, TOKENS, (TOKENS != 0).long(), IdTree.of(IDS), beams=3)
    monkeypatch.setattr("calrec_recbole.baselines.tiger.id_beams.AT_ONCE", 1)
    alone = best_items(network, TOKENS, (TOKENS != 0).long(), IdTree.of(IDS), beams=3)
    assert torch.equal(together[0], alone[0])
    torch.testing.assert_close(together[1], alone[1])


@torch.no_grad()
@pytest.mark.parametrize("beams", [1, 2, 3])
def test_few_beams_keep_the_best_beginnings(network, beams):
    """By loops: of all ways on from the kept beginnings the best ``beams``, level by level."""
    items, nats = best_items(network, TOKENS, (TOKENS != 0).long(), IdTree.of(IDS), beams)
    for row, found, values in zip(TOKENS, items, nats, strict=True):
        kept = {(): 0.0}
        for level in range(3):
            ways = {}
            for prefix, value in kept.items():
                known = sorted({one[level] for one in IDS.tolist() if tuple(one[:level]) == prefix})
                steps = logits_of(network, row, [*prefix, known[0]])[level, known].log_softmax(dim=0)
                ways |= {(*prefix, token): value + float(step) for token, step in zip(known, steps, strict=True)}
            kept = dict(sorted(ways.items(), key=lambda one: -one[1])[:beams])
        assert [tuple(IDS[item].tolist()) for item in found] == list(kept)
        torch.testing.assert_close(values, torch.tensor(list(kept.values())), atol=1e-5, rtol=0)


@torch.no_grad()
def test_the_decoder_is_transformers_own_at_every_length_that_is_allowed(network):
    """Two beams that change places at every step."""
    mask = torch.ones(1, 6, dtype=torch.long)
    states = network.encoder(input_ids=TOKENS[:1], attention_mask=mask).last_hidden_state
    decoder = IdDecoder(network, states, mask)
    numbers = torch.randint(1, 10, (MOST_LEVELS, 2)).tolist()
    beams, parents = [[0], [0]], torch.tensor([[0, 0]])
    for step, written in enumerate([[0, 0], *numbers[1:]]):
        if step:
            parents = torch.tensor([[1, 0]])
            beams = [[*beams[parent], token] for parent, token in zip((1, 0), written, strict=True)]
        logits = decoder.read(torch.tensor([written]), parents)
        for beam, own in zip(beams, logits[0], strict=True):
            whole = network(input_ids=TOKENS[:1], decoder_input_ids=torch.tensor([beam])).logits[0, -1]
            torch.testing.assert_close(own, whole, atol=1e-5, rtol=0)


def test_children_are_those_of_the_ids():
    tree = IdTree.of(IDS)
    children, real = tree.children(torch.tensor([0]))
    assert tree.tokens[children].tolist() == [[1, 2, 3]]
    below, real = tree.children(children[0])
    assert [
        [int(token) for token in itertools.compress(row.tolist(), own.tolist())]
        for row, own in zip(tree.tokens[below], real, strict=True)
    ] == [[4, 5], [4, 6], [6]]
    assert tree.tokens[below][2].tolist() == [6, 6]  # the place that is none repeats the first
