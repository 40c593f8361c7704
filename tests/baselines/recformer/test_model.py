import pytest
import torch

from calrec_recbole.baselines.recformer.prefix_rows import rows_of
from calrec_recbole.baselines.recformer.trainer import RecformerTrainer
from calrec_recbole.errors import CalrecError, ConfigError
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.prepared import prepare
from calrec_recbole.plugin.reload import load_run
from calrec_recbole.plugin.runner import build_model, run

SIZES = {"vocab_size": 270, "hidden_size": 16, "num_hidden_layers": 2, "intermediate_size": 24}


@pytest.fixture
def recformer_settings(tiny_settings):
    """Overrides for a run on Tiny within a few seconds."""
    sizes = {f"scratch_{name}": value for name, value in SIZES.items()}
    return {**tiny_settings, **sizes, "attention_window": 16, "max_tokens": 128, "stage2_epochs": 1, "eval_step": 1}


def built(settings):
    config = Config("Recformer", config_dict=settings)
    prepared = prepare(config)
    dataset, data = prepared.dataset, prepared.loaders
    return config, dataset, data, build_model(config, data.train.dataset)


def log_of(done):
    return (done.folder / "log.txt").read_text()


def test_a_run_reloads_with_equal_metrics_and_scores(recformer_settings):
    done = run("Recformer", overrides=recformer_settings, show=False)
    loaded = load_run(done.folder)
    trainer = RecformerTrainer(loaded.config, loaded.model)
    assert trainer.evaluate(loaded.test_data, load_best_model=False) == done.test
    interaction = next(iter(loaded.test_data))[0]
    scores = loaded.model.full_sort_predict(interaction)
    assert scores.shape == (8, 9)  # pad and a-h
    assert torch.isfinite(scores[:, 1:]).all()
    assert (scores[:, 0] == -torch.inf).all()
    assert (scores[:, 1:].abs() <= 1 / 0.05 + 1e-3).all()
    interaction["item_id"] = torch.arange(1, 9)
    assert torch.equal(loaded.model.predict(interaction), scores[range(8), range(1, 9)])
    ids = loaded.dataset.field2token_id["item_id"]
    assert torch.equal(scores[:, ids["b"]], scores[:, ids["h"]])


def test_each_distinct_text_is_encoded_once(recformer_settings, monkeypatch):
    _, _, data, model = built(recformer_settings)
    seen = []
    encode = model.network.encode
    monkeypatch.setattr(model.network, "encode", lambda *args: seen.append(len(args[0])) or encode(*args))
    model.refresh_table()
    assert seen == [7]  # a-h without h, b's twin
    interaction = next(iter(data.test))[0]
    model.full_sort_predict(interaction)
    assert seen == [7, 8]


def test_an_item_is_read_by_title_brand_and_category(recformer_settings):
    _, dataset, _, model = built(recformer_settings)
    item = model.items.items[model.items.place[dataset.field2token_id["item_id"]["e"] - 1]]
    assert model.tokenizer.decode(item.tokens) == "titleSteel RulerbrandcategoryTools"


def test_the_attributes_of_another_data_set_are_named_or_all_taken(recformer_settings):
    other = {**recformer_settings, "item_attributes": [{"field": "title", "label": "Name", "words": 3}]}
    with pytest.raises(ConfigError, match=r"names 'brand', which is not in item_attributes, \['title'\]"):
        built(other)
    _, dataset, _, model = built({**other, "recformer_attributes": []})
    item = model.items.items[model.items.place[dataset.field2token_id["item_id"]["e"] - 1]]
    assert model.tokenizer.decode(item.tokens) == "nameSteel Ruler"
    assert Config("Recformer", "ml-100k")["recformer_attributes"] == []


def test_the_loss_is_the_mean_over_rows_of_a_softmax_over_all_items(recformer_settings):
    _, _, data, model = built(recformer_settings)
    model.eval()
    interaction = next(iter(data.test))[0]
    scores = model.full_sort_predict(interaction).double()[:, 1:]
    targets = interaction["item_id"] - 1
    expected = [-float(row[target] - row.exp().sum().log()) for row, target in zip(scores, targets, strict=True)]
    loss = model.calculate_loss(interaction)
    assert float(loss.detach()) == pytest.approx(sum(expected) / len(expected), rel=1e-4)
    loss.backward()
    assert not model.table.requires_grad
    assert model.network.get_input_embeddings().weight.grad.abs().sum() > 0


def test_micro_batches_add_up_to_the_batch(recformer_settings):
    """Without dropout the gradient of one batch does not depend on how it is cut."""
    gradients, parts = [], []
    for tokens in (16, 4096):
        changed = {"micro_batch_tokens": tokens, "scratch_dropout": 0.0, "precision": "float32"}
        config, _, data, model = built({**recformer_settings, **changed})
        trainer = RecformerTrainer(config, model)
        model.refresh_table()
        losses = list(trainer._row_losses(rows_of(data.train.dataset), list(range(8))))
        parts.append(len(losses))
        sum(losses).backward()
        gradients.append(model.network.longformer.embeddings.LayerNorm.weight.grad)
    assert parts[0] > parts[1]
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-6)


def test_stage_one_renews_the_table_every_epoch_and_stage_two_keeps_the_best(recformer_settings, monkeypatch):
    config, _, data, model = built({**recformer_settings, "epochs": 3, "stage2_epochs": 2})
    trainer = RecformerTrainer(config, model)
    tables, validated = [], iter([0.1, 0.3, 0.2, 0.25, 0.1])
    refresh = model.refresh_table
    monkeypatch.setattr(model, "refresh_table", lambda: tables.append(refresh()))
    seen = []
    monkeypatch.setattr(
        trainer, "_valid_epoch", lambda *_: (seen.append(model.table), (next(validated), {"step": len(seen)}))[1]
    )
    score, result = trainer.fit(data.train, data.valid, saved=False)
    assert (score, result) == (0.3, {"step": 2})
    assert len(tables) == 3
    assert all(now is then for now, then in zip(seen, [*tables, tables[1], tables[1]], strict=True))
    assert model.table is tables[1]


def test_patience_ends_each_stage(recformer_settings, monkeypatch):
    changed = {"epochs": 9, "stopping_step": 2, "stage2_epochs": 9, "stage2_stopping_step": 1}
    config, _, data, model = built({**recformer_settings, **changed})
    trainer = RecformerTrainer(config, model)
    validated = iter([0.3, 0.2, 0.2, 0.1])
    monkeypatch.setattr(trainer, "_valid_epoch", lambda *_: (next(validated), {}))
    assert trainer.fit(data.train, data.valid, saved=False)[0] == 0.3
    assert trainer.epochs_done == 4


class Killed(BaseException):
    """Passes through every ``except Exception``, as a kill would."""


@pytest.mark.parametrize("epochs_before", [1, 2])
def test_an_interrupted_fine_tuning_ends_bit_identical(epochs_before, recformer_settings, tmp_path, monkeypatch):
    settings = {**recformer_settings, "epochs": 2, "stage2_epochs": 2, "train_batch_size": 4}
    whole = run("Recformer", overrides={**settings, "output_dir": str(tmp_path / "whole")}, show=False)
    epoch, seen = RecformerTrainer._epoch, []

    def dying(self, *arguments):
        line = epoch(self, *arguments)
        seen.append(line)
        if len(seen) > epochs_before:
            raise Killed
        return line

    with monkeypatch.context() as patch:
        patch.setattr(RecformerTrainer, "_epoch", dying)
        with pytest.raises(Killed):
            run("Recformer", overrides=settings, show=False)
    resumed = run("Recformer", overrides=settings, show=False)
    stage, first = divmod(epochs_before, 2)
    assert f"resumed at the start of epoch {first} (stage {stage + 1})" in log_of(resumed)
    assert (resumed.test, resumed.valid) == (whole.test, whole.valid)
    for file in ("model.safetensors", "items.safetensors"):
        one, other = (done.folder / "checkpoint" / "best" / file for done in (whole, resumed))
        assert one.read_bytes() == other.read_bytes()
    assert not (resumed.folder / "checkpoint" / "last").exists()


def test_pretraining_then_fine_tuning(recformer_settings, tiny_dataset):
    """The second data set is a copy of the first with other names; the tokenizer is learnt on both."""
    folder = tiny_dataset / "Second"
    folder.mkdir()
    for kind in ("inter", "item"):
        text = (tiny_dataset / "Tiny" / f"Tiny.{kind}").read_text().replace("Glue", "Paste")
        (folder / f"Second.{kind}").write_text(text)
    first = {**recformer_settings, "train_stage": "pretrain", "pretrain_epochs": 2}
    pretrained = run("Recformer", overrides={**first, "pretrain_datasets": ["Tiny", "Second"]}, show=False)
    assert "pretraining on Tiny, Second: 16 items, 42 training rows, 16 validation rows" in log_of(pretrained)
    loaded = load_run(pretrained.folder)
    assert RecformerTrainer(loaded.config, loaded.model).evaluate(loaded.test_data, False) == pretrained.test
    second = {**recformer_settings, "pre_model_path": str(pretrained.folder)}
    _, _, _, model = built(second)
    ours, theirs = model.network.state_dict(), loaded.model.network.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert model.tokenizer.get_vocab() == loaded.model.tokenizer.get_vocab()
    done = run("Recformer", overrides=second, show=False)
    again = load_run(done.folder)
    assert RecformerTrainer(again.config, again.model).evaluate(again.test_data, False) == done.test


def test_the_authors_file_is_loaded_and_what_is_missing_is_logged(recformer_settings, tmp_path):
    _, _, _, model = built(recformer_settings)
    tensors = {name: torch.full_like(tensor, 0.5) for name, tensor in model.network.state_dict().items()}
    del tensors["longformer.embeddings.item_position_embeddings.weight"]
    torch.save(tensors, tmp_path / "pytorch_model.bin")
    done = run(
        "Recformer", overrides={**recformer_settings, "pre_model_path": str(tmp_path / "pytorch_model.bin")}, show=False
    )
    assert "missed ['longformer.embeddings.item_position_embeddings.weight']" in log_of(done)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"train_stage": "pretraining"}, "train_stage='pretraining' must be one of pretrain, finetune; did you mean"),
        ({"temperature": 0.0}, "temperature=0.0 must be greater than 0"),
        ({"attention_window": 5}, "attention_window=5 must be even"),
        ({"pre_model_path": "nowhere"}, "pre_model_path=nowhere does not exist"),
        ({"pre_model_path": "."}, "holds no weights of Recformer"),
        ({"scratch_hidden_size": 15}, "scratch_hidden_size=15 must be a multiple"),
        ({"scratch_vocab_size": 100}, "scratch_vocab_size=100 must be at least 261"),
        ({"epochs": 0, "stage2_epochs": 0}, "nothing would be trained"),
        ({"train_stage": "pretrain", "mlm_probability": 0.0}, "mlm_probability=0.0 must lie between"),
        ({"train_stage": "pretrain", "pretrain_datasets": ["Tinny"]}, "Tinny"),
        ({"train_stage": "pretrain", "pretrain_datasets": ["Tiny", "Tiny"]}, "names a data set twice"),
    ],
)
def test_wrong_settings_are_named(changed, message, recformer_settings):
    with pytest.raises(CalrecError, match=message):
        run("Recformer", overrides={**recformer_settings, **changed}, show=False)
