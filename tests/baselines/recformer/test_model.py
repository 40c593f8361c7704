import pytest
import torch

from calrec_recbole.baselines.recformer.trainer import RecformerTrainer
from calrec_recbole.errors import CalrecError
from calrec_recbole.plugin.reload import load_run
from calrec_recbole.plugin.runner import run


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


def test_each_distinct_text_is_encoded_once(recformer_settings, built, monkeypatch):
    _, _, data, model = built(recformer_settings)
    seen = []
    encode = model.network.encode
    monkeypatch.setattr(model.network, "encode", lambda *args: seen.append(len(args[0])) or encode(*args))
    model.refresh_table()
    assert seen == [7]  # a-h without h, b's twin
    interaction = next(iter(data.test))[0]
    model.full_sort_predict(interaction)
    assert seen == [7, 8]


def test_evaluation_is_in_float32_whatever_training_is(recformer_settings, built):
    found = []
    for precision in ("float32", "bfloat16"):
        _, _, data, model = built({**recformer_settings, "precision": precision})
        found.append(model.eval().full_sort_predict(next(iter(data.test))[0]))
    assert torch.equal(*found)


def test_the_loss_is_the_mean_over_rows_of_a_softmax_over_all_items(recformer_settings, built):
    _, _, data, model = built({**recformer_settings, "precision": "float32"})
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


def test_the_authors_file_is_loaded_and_what_is_missing_is_logged(recformer_settings, built, tmp_path):
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
        ({"train_stage": "pretrain", "mlm_probability": 0.0}, "mlm_probability=0.0 must be greater than 0"),
        ({"train_stage": "pretrain", "pretrain_datasets": ["Tinny"]}, "Tinny"),
        ({"train_stage": "pretrain", "pretrain_datasets": ["Tiny", "Tiny"]}, "names a data set twice"),
    ],
)
def test_wrong_settings_are_named(changed, message, recformer_settings):
    with pytest.raises(CalrecError, match=message):
        run("Recformer", overrides={**recformer_settings, **changed}, show=False)
