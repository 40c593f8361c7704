import pytest
import torch

from calrec_recbole.baselines.bert4rec import append, draw_masks
from calrec_recbole.errors import ConfigError

SMALL = {"hidden_size": 8, "inner_size": 16}
MASK = 9  # the pad item, a-h, then the mask


def test_it_runs_and_reloads(tiny_settings, runs_and_reloads):
    runs_and_reloads("BERT4RecFull", {**tiny_settings, **SMALL})


def spied(model):
    """What the encoder is given, call after call."""
    seen = []
    forward = model.forward

    def spy(item_seq):
        seen.append(item_seq.clone())
        return forward(item_seq)

    model.forward = spy
    return seen


def rows(model, histories, targets):
    return {
        model.ITEM_SEQ: torch.tensor(histories),
        model.ITEM_SEQ_LEN: torch.tensor([sum(item > 0 for item in history) for history in histories]),
        model.ITEM_ID: torch.tensor(targets),
    }


def test_recbole_drops_the_oldest_item_at_test_and_ours_reads_it(tiny_settings, build):
    histories = [[5, 0, 0, 0, 0], [1, 2, 3, 0, 0], [1, 2, 3, 4, 5]]
    given = {}
    for name in ("BERT4Rec", "BERT4RecFull"):
        model = build(name, {**tiny_settings, **SMALL})[0]
        seen = spied(model)
        model.full_sort_predict(rows(model, histories, [6, 6, 6]))
        given[name] = seen[0].tolist()
    assert given["BERT4Rec"] == [[MASK, 0, 0, 0, 0], [2, 3, MASK, 0, 0], [2, 3, 4, 5, MASK]]
    assert given["BERT4RecFull"] == [[5, MASK, 0, 0, 0, 0], [1, 2, 3, MASK, 0, 0], [1, 2, 3, 4, 5, MASK]]


def test_recbole_never_learns_the_last_training_item_and_ours_does(tiny_settings, build):
    """u0 buys a b c d e f: e and f are held out, d is the target of the longest training row and in no other."""
    learned = {"BERT4Rec": set(), "BERT4RecFull": set()}
    for name, found in learned.items():
        model, dataset, data = build(name, {**tiny_settings, **SMALL, "ft_ratio": 1.0})
        seen = spied(model)
        user = dataset.field2token_id["user_id"]["u0"]
        tokens = dataset.field2id_token["item_id"]
        for batch in data.train:
            mine = batch[batch["user_id"] == user]
            model.calculate_loss(mine)
            whole = append(mine["item_id_list"], mine["item_length"], mine["item_id"])
            found |= {tokens[item] for item in whole[:, : seen[-1].shape[1]][seen[-1] == MASK]}
    assert learned == {"BERT4Rec": {"a", "b", "c"}, "BERT4RecFull": {"b", "c", "d"}}


def test_recboles_loss_of_rows_of_one_item_is_nan_and_ours_is_finite(tiny_settings, build):
    """The only mask of such a row stands at place 0, which RecBole takes for padding: 0/0."""
    model, _, data = build("BERT4Rec", {**tiny_settings, **SMALL, "ft_ratio": 1.0})
    batch = next(iter(data.train))
    shortest = batch[batch["item_length"] == 1]
    assert model.calculate_loss(shortest).isnan()
    model, _, data = build("BERT4RecFull", {**tiny_settings, **SMALL})
    batch = next(iter(data.train))
    assert model.calculate_loss(batch[batch["item_length"] == 1]).isfinite()


def test_the_loss_is_the_mean_over_masked_places_by_a_loop(tiny_settings, build, monkeypatch):
    model = build("BERT4RecFull", {**tiny_settings, **SMALL})[0]
    batch = rows(model, [[5, 0, 0, 0, 0], [1, 2, 3, 0, 0]], [6, 7])
    masks = torch.tensor([[1, 1, 0, 0, 0, 0], [0, 1, 0, 1, 0, 0]]).bool()
    monkeypatch.setattr("calrec_recbole.baselines.bert4rec.draw_masks", lambda *_: masks)
    total = 0.0
    for given, wanted in (([MASK, MASK], {0: 5, 1: 6}), ([1, MASK, 3, MASK], {1: 2, 3: 7})):
        states = model.forward(torch.tensor([given]))[0]
        for place, item in wanted.items():
            scores = torch.stack([states[place] @ model.item_embedding.weight[i] for i in range(9)])
            total -= torch.log_softmax(scores + model.output_bias, dim=0)[item] / 4
    torch.testing.assert_close(model.calculate_loss(batch), total)


def test_scores_are_of_the_place_after_the_history(tiny_settings, build):
    model, _, _ = build("BERT4RecFull", {**tiny_settings, **SMALL})
    batch = rows(model, [[1, 2, 3, 0, 0], [1, 2, 3, 4, 5]], [6, 7])
    scores = model.full_sort_predict(batch)
    for row, given in enumerate(([1, 2, 3, MASK], [1, 2, 3, 4, 5, MASK])):
        state = model.forward(torch.tensor([given]))[0, -1]
        torch.testing.assert_close(scores[row], model.item_embedding.weight[:9] @ state + model.output_bias)
    torch.testing.assert_close(model.predict(batch), scores[[0, 1], [6, 7]])


def test_masks_at_the_extremes():
    lengths = torch.tensor([1, 3, 4])
    last = [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    assert draw_masks(lengths, 4, 0.0, 0.0).int().tolist() == last  # nothing drawn
    assert draw_masks(lengths, 4, 1.0, 1.0).int().tolist() == last
    assert draw_masks(lengths, 4, 1.0, 0.0).int().tolist() == [[1, 0, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]


def test_masks_fall_as_often_as_they_should():
    torch.manual_seed(3)
    masks = draw_masks(torch.full((20_000,), 3), 5, 0.2, 0.5)
    assert masks.any(dim=1).all()
    first = 0.5 * 0.2
    last = 0.5 + 0.5 * (0.2 + 0.8**3)  # alone; drawn; nothing drawn
    torch.testing.assert_close(masks.float().mean(dim=0), torch.tensor([first, first, last, 0, 0]), atol=0.01, rtol=0)


def test_another_loss_is_refused(tiny_settings, build):
    with pytest.raises(ConfigError, match="loss_type='BPR' must be CE"):
        build("BERT4RecFull", {**tiny_settings, **SMALL, "loss_type": "BPR", "train_neg_sample_args": None})
