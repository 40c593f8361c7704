import math

import pytest
import torch

from calrec_recbole.baselines.tiger.model import LEAST, UNREACHED
from calrec_recbole.errors import ConfigError
from calrec_recbole.evaluation import read_ranks
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.runner import run

SMALL = {
    **{"hidden_size": 8, "inner_size": 8, "n_layers": 1, "n_heads": 2, "head_size": 4},
    **{"id_levels": 2, "id_codes": 4, "user_tokens": 5, "train_batch_size": 8},
}


def test_it_runs_and_reloads(text_settings, runs_and_reloads):
    runs_and_reloads("TIGER", {**text_settings, **SMALL, "learning_rate": 0.01})


def test_the_seed_decides_everything(text_settings, tmp_path):
    done = [
        run("TIGER", overrides={**text_settings, **SMALL, "output_dir": str(tmp_path / name)}, show=False)
        for name in ("one", "two")
    ]
    first, again = ((one.folder / "checkpoint" / "model.safetensors").read_bytes() for one in done)
    assert first == again
    assert done[0].test == done[1].test


def test_every_item_has_an_id_of_its_own_and_equal_texts_differ_in_the_last_token(text_settings, build):
    model, dataset, _ = build("TIGER", {**text_settings, **SMALL})
    names = dataset.field2token_id["item_id"]
    ids = model.ids
    assert ids.shape == (9, 3)  # the pad item and a-h
    assert len(ids[1:].unique(dim=0)) == 8
    assert not ids[0].any()
    for level, (low, high) in enumerate([(1, 5), (5, 9), (9, 13)]):
        assert ids[1:, level].min() >= low
        assert ids[1:, level].max() < high
    assert torch.equal(ids[names["b"], :-1], ids[names["h"], :-1])
    assert model.network.shared.num_embeddings == 13 + 5


def test_more_equal_items_than_codes_have_more_last_tokens(text_settings, build, write_dataset):
    histories = {"u1": "abcde", "u2": "bcdea", "u3": "cdeab"}
    settings = {**text_settings, **SMALL, "dataset": write_dataset("Alike", histories), "id_codes": 2, "id_levels": 1}
    model, _, _ = build("TIGER", {**settings, "text_attributes": ["brand"]})  # one text for all
    assert len(model.ids[1:].unique(dim=0)) == 5
    assert sorted(model.ids[1:, -1].tolist()) == [3, 4, 5, 6, 7]


@pytest.mark.parametrize("user_tokens", [0, 5])
def test_the_loss_is_the_loop_over_rows_and_tokens(user_tokens, text_settings, build):
    """Each row alone, without pads: -log softmax over the whole vocabulary of each token of the target."""
    model, _, data = build("TIGER", {**text_settings, **SMALL, "user_tokens": user_tokens})
    batch = next(iter(data.train))
    losses = []
    for row in range(len(batch)):
        history = batch["item_id_list"][row][: int(batch["item_length"][row])]
        tokens = [token for item in history.tolist() for token in model.ids[item].tolist()]
        if user_tokens:
            tokens = [13 + int(batch["user_id"][row]) % user_tokens, *tokens]
        target = model.ids[int(batch["item_id"][row])].tolist()
        logits = model.network(
            input_ids=torch.tensor([tokens]), decoder_input_ids=torch.tensor([[0, *target[:-1]]])
        ).logits[0]
        for scores, token in zip(logits.tolist(), target, strict=True):
            losses.append(math.log(sum(math.exp(one) for one in scores)) - scores[token])
    assert len(losses) == 3 * len(batch)
    assert model.calculate_loss(batch).item() == pytest.approx(sum(losses) / len(losses), rel=1e-5)


def test_what_no_beam_reaches_is_not_retrieved_and_the_rest_has_its_exact_score(text_settings, build):
    whole, _, data = build("TIGER", {**text_settings, **SMALL})
    few, _, _ = build("TIGER", {**text_settings, **SMALL, "beams": 3})
    batch = next(iter(data.test))[0]
    with torch.no_grad():
        exact, found, own = whole.full_sort_predict(batch), few.full_sort_predict(batch), few.predict(batch)
    torch.testing.assert_close(exact[:, 1:].exp().sum(dim=1), torch.ones(len(batch)))
    reached = found > UNREACHED
    assert (reached.sum(dim=1) == 3).all()
    torch.testing.assert_close(found[reached], exact[reached])
    assert (found[:, 0] == -torch.inf).all()
    assert torch.equal(own, found.gather(1, batch["item_id"][:, None])[:, 0])


def test_an_item_that_a_beam_reaches_is_retrieved_however_improbable(text_settings, build):
    """Scaled up, the first level's logits lie hundreds of nats apart."""
    model, _, data = build("TIGER", {**text_settings, **SMALL})
    with torch.no_grad():
        model.network.shared.weight[1:5] *= 1000
        scores = model.full_sort_predict(next(iter(data.test))[0])
    assert scores[:, 1:].min() == LEAST
    assert scores.max() > LEAST


def test_a_target_that_no_beam_reaches_ranks_last_in_both_cases(text_settings):
    """With one beam the target is first of the eight items or last."""
    ranks = read_ranks(run("TIGER", overrides={**text_settings, **SMALL, "beams": 1}, show=False).folder)
    assert ranks["optimistic"].tolist() == ranks["pessimistic"].tolist()
    assert set(ranks["pessimistic"]) <= {1, 8}
    assert 8 in set(ranks["pessimistic"])


def test_ids_and_tree_come_from_the_checkpoint(text_settings, build):
    """As another machine's k-means may choose others."""
    model, _, data = build("TIGER", {**text_settings, **SMALL})
    batch = next(iter(data.test))[0]
    with torch.no_grad():
        before = model.full_sort_predict(batch)
        state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        state["ids"][[1, 2]] = state["ids"][[2, 1]]
        model.load_state_dict(state)
        after = model.full_sort_predict(batch)
        swapped = batch["item_id_list"].clone()
        for one, other in ((1, 2), (2, 1)):
            swapped[batch["item_id_list"] == one] = other
        batch.interaction["item_id_list"] = swapped
        renamed = model.full_sort_predict(batch)
    assert not torch.equal(before, after)
    assert torch.equal(renamed[:, [2, 1]], before[:, [1, 2]])
    assert torch.equal(renamed[:, 3:], before[:, 3:])


def test_an_unknown_learner_is_told(text_settings):
    with pytest.raises(ConfigError, match="learner='sgd' must be one of adafactor, adam, adamw"):
        Config("TIGER", config_dict={**text_settings, "learner": "sgd"})
