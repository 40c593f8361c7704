"""The two stages of fine-tuning, and pretraining before them."""

import pytest
import torch

from calrec_recbole.baselines.recformer.prefix_rows import rows_of
from calrec_recbole.baselines.recformer.trainer import RecformerTrainer
from calrec_recbole.plugin.reload import load_run
from calrec_recbole.plugin.runner import run


def log_of(done):
    return (done.folder / "log.txt").read_text()


def test_micro_batches_add_up_to_the_batch(recformer_settings, built):
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


def test_stage_one_renews_the_table_every_epoch_and_stage_two_keeps_the_best(recformer_settings, built, monkeypatch):
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


def test_patience_ends_each_stage(recformer_settings, built, monkeypatch):
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


def test_pretraining_then_fine_tuning(recformer_settings, built, tiny_dataset):
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
