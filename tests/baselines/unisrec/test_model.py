import pytest
import torch
from recbole.model.sequential_recommender.sasrec import SASRec
from torch.nn import functional as F

from calrec_recbole.baselines.text.features import item_features
from calrec_recbole.baselines.text.features import text_settings as text_settings_of
from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.prepared import prepare
from calrec_recbole.plugin.reload import load_run
from calrec_recbole.plugin.runner import build_model, run
from calrec_recbole.plugin.training.tie_aware_trainer import trainer_for

SMALL = {"hidden_size": 8, "inner_size": 8, "n_exps": 3}


def built(model, settings):
    config = Config(model, config_dict={**settings, **SMALL})
    prepared = prepare(config)
    dataset, data = prepared.dataset, prepared.loaders
    return config, dataset, data, build_model(config, data.train.dataset)


@pytest.mark.parametrize("model", ["UniSRec", "UniSRecID"])
def test_one_epoch_and_reload(model, text_settings):
    done = run(model, overrides={**text_settings, **SMALL}, show=False)
    loaded = load_run(done.folder)
    trainer = trainer_for(model)(loaded.config, loaded.model)
    assert trainer.evaluate(loaded.test_data, load_best_model=False) == done.test
    batch = next(iter(loaded.test_data))[0]
    with torch.no_grad():
        scores = loaded.model.full_sort_predict(batch)
    assert scores.shape == (len(batch), 9)  # pad and a-h
    assert torch.isfinite(scores[:, 1:]).all()
    assert (scores[:, 0] == -torch.inf).all()
    assert torch.equal(loaded.model.predict(batch), scores.gather(1, batch["item_id"][:, None])[:, 0])


def test_equal_texts_tie_exactly_where_the_model_is_text_only(text_settings):
    for model, ties in (("UniSRec", True), ("UniSRecID", False)):
        _, dataset, data, made = built(model, text_settings)
        ids = dataset.field2token_id["item_id"]
        scores = made.eval().full_sort_predict(next(iter(data.test))[0])
        assert torch.equal(scores[:, ids["b"]], scores[:, ids["h"]]) is ties
        assert not torch.equal(scores[:, ids["b"]], scores[:, ids["c"]])


@pytest.mark.parametrize("model", ["UniSRec", "UniSRecID"])
def test_scores_and_loss_are_loops_over_users_and_items(model, text_settings):
    """No pad item among the candidates; every item is adapted on its own, every history encoded on its own."""
    config, dataset, data, made = built(model, text_settings)
    made.eval()
    adapted = torch.stack(
        [made.moe_adaptor(row[None])[0] for row in item_features(dataset.prepared, text_settings_of(config))]
    )
    if model == "UniSRecID":
        adapted = adapted + made.item_embedding.weight
    batch = next(iter(data.train))
    expected = torch.empty(len(batch), made.n_items - 1)
    for row, (seq, length) in enumerate(zip(batch["item_id_list"], batch["item_length"], strict=True)):
        hidden = made.LayerNorm(adapted[seq[:length]] + made.position_embedding.weight[:length])
        mask = torch.full((length, length), -10000.0).triu(1)[None, None]
        user = made.trm_encoder(hidden[None], mask)[-1][0, -1]
        for item in range(1, made.n_items):
            expected[row, item - 1] = F.cosine_similarity(user, adapted[item], dim=0) / 0.07
    torch.testing.assert_close(made.full_sort_predict(batch)[:, 1:], expected)
    losses = [expected[row].logsumexp(0) - expected[row, item - 1] for row, item in enumerate(batch["item_id"])]
    torch.testing.assert_close(made.calculate_loss(batch), torch.stack(losses).mean())


def test_with_no_weight_on_the_text_the_encoder_is_recboles_sasrec(text_settings):
    config, dataset, data, made = built("UniSRecID", text_settings)
    sasrec = SASRec(config, dataset)
    sasrec.load_state_dict({name: made.state_dict()[name] for name in sasrec.state_dict()})
    for expert in made.moe_adaptor.experts:
        torch.nn.init.zeros_(expert.lin.weight)
    batch = next(iter(data.test))[0]
    seq, lengths = batch["item_id_list"], batch["item_length"]
    items = made.eval().item_vectors(made.moe_adaptor(made.text_features))
    torch.testing.assert_close(made(seq, lengths, items=items), sasrec.eval()(seq, lengths))
    users = F.normalize(sasrec(seq, lengths), dim=-1)
    cosines = users @ F.normalize(sasrec.item_embedding.weight, dim=-1).T
    torch.testing.assert_close(made.full_sort_predict(batch)[:, 1:], (cosines / 0.07)[:, 1:])


@pytest.mark.parametrize("model", ["UniSRec", "UniSRecID"])
def test_padding_beyond_the_longest_history_changes_nothing(model, text_settings):
    _, _, data, made = built(model, {**text_settings, "MAX_ITEM_LIST_LENGTH": 9, "trim_padding": False})
    batch = next(iter(data.train))
    whole, gradient = loss_and_gradient(made, batch)
    batch.interaction["item_id_list"] = batch["item_id_list"][:, : batch["item_length"].max()]
    assert batch["item_id_list"].size(1) < 9
    trimmed, trimmed_gradient = loss_and_gradient(made, batch)
    torch.testing.assert_close(trimmed, whole)
    for one, other in zip(trimmed_gradient, gradient, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)


def loss_and_gradient(model, batch):
    loss = model.eval().calculate_loss(batch)
    return loss, torch.autograd.grad(loss, [p for name, p in model.named_parameters() if "noise" not in name])


def test_texts_pass_the_adaptor_once_each(text_settings):
    """Items a-h, of which b and h are one text: 7 rows."""
    _, _, _, made = built("UniSRec", text_settings)
    assert made.text_features.shape == (7, 12)
    assert not any("text" in name or "item_embedding" in name for name in made.state_dict())


@pytest.mark.parametrize("model", ["UniSRec", "UniSRecID"])
def test_with_noise_per_place_nothing_else_changes(model, text_settings):
    found = []
    for alone in (False, True):
        _, _, data, made = built(model, {**text_settings, "noise_per_place": alone})
        found.append(loss_and_gradient(made, next(iter(data.train))))
    torch.testing.assert_close(found[1][0], found[0][0])
    for one, other in zip(found[1][1], found[0][1], strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)


def test_with_noise_per_place_each_place_and_each_candidate_draws(text_settings, monkeypatch):
    """So do equal texts: repeated places, and b and h, which are candidates of one text."""
    _, dataset, data, made = built("UniSRec", {**text_settings, "noise_per_place": True, "trim_padding": False})
    rows, adapt = [], made.moe_adaptor.forward

    def seen(features):
        rows.append((features, adapt(features)))
        return rows[-1][1]

    monkeypatch.setattr(made.moe_adaptor, "forward", seen)
    batch = next(iter(data.train))
    made.train().calculate_loss(batch)
    (places, of_places), (candidates, of_candidates) = rows
    ids = batch["item_id_list"]
    expected = [made.text_features[made.text_of_item[item - 1]] for row in ids for item in row if item]
    assert torch.equal(places, torch.stack(expected))
    assert torch.equal(candidates, made.text_features[made.text_of_item])
    assert len(places) > len(places.unique(dim=0))
    assert len(of_places) == len(of_places.unique(dim=0))
    b, h = (dataset.field2token_id["item_id"][item] - 1 for item in "bh")
    assert torch.equal(candidates[b], candidates[h])
    assert not torch.equal(of_candidates[b], of_candidates[h])


def test_the_id_model_has_the_text_models_settings():
    text, both = Config("UniSRec", "ml-100k"), Config("UniSRecID", "ml-100k")
    assert both.settings == {**text.settings, "model": "UniSRecID"}
    assert both["hidden_size"] == 300


@pytest.mark.parametrize(
    ("model", "changed", "message"),
    [
        ("UniSRec", {"train_stage": "finetuned"}, "train_stage='finetuned' must be one of .*; did you mean 'finetune'"),
        ("UniSRec", {"train_stage": "finetune"}, "pre_model_path is empty"),
        ("UniSRec", {"train_stage": "finetune", "pre_model_path": "nowhere"}, "pre_model_path=nowhere is no weights"),
        ("UniSRec", {"train_stage": "pretrain", "pretrain_datasets": ["Tiny", "Tiny"]}, "each once"),
        ("UniSRec", {"train_stage": "pretrain", "pretrain_datasets": ["Tyni"]}, "Tyni.*did you mean 'Tiny'"),
        ("UniSRecID", {"train_stage": "pretrain"}, "pretrain model=UniSRec"),
        ("UniSRec", {"freeze_encoder": True}, "freeze_encoder=True needs train_stage=finetune, not scratch"),
        ("UniSRec", {"loss_type": "BPR"}, "loss_type='BPR' must be CE"),
    ],
)
def test_a_stage_that_lacks_something_says_what_before_any_text_is_encoded(model, changed, message, text_settings):
    settings = {**text_settings, "text_encoder": "nowhere", **changed}
    with pytest.raises((ConfigError, ValueError), match=message):
        run(model, overrides=settings, show=False)
