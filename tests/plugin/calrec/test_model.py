"""CALRec inside RecBole: a tiny run from settings to metrics, interrupted and resumed."""

import json
import random
import signal
import string
import subprocess
import sys
import time

import pytest
import torch
from transformers import AutoModelForCausalLM

from calrec_recbole.errors import ConfigError
from calrec_recbole.evaluation import ranks_without, read_ranks, tie_ranks
from calrec_recbole.inference import LONGEST
from calrec_recbole.plugin.calrec.trainer import CALRecTrainer
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.prepared import prepare
from calrec_recbole.plugin.data.sequences import training_sequences
from calrec_recbole.plugin.reload import load_run
from calrec_recbole.plugin.runner import build_model, run
from calrec_recbole.plugin.training.tie_aware_trainer import trainer_for
from calrec_recbole.recommender import Recommender
from calrec_recbole.runs.run_folder import SAMPLES_FILE
from calrec_recbole.runs.user_samples import read_samples


@pytest.fixture
def settings(calrec_settings):
    return calrec_settings


def test_a_run_leaves_everything_and_reloads_to_the_same_scores(settings):
    result = run("CALRec", overrides=settings, show=False)
    assert {"ndcg_pes@10", "mrr_opt"} <= set(result.test)
    best = result.folder / "checkpoint" / "best"
    assert AutoModelForCausalLM.from_pretrained(best).config.hidden_size == 16
    assert not (result.folder / "checkpoint" / "last").exists()  # the state for resuming goes with the end of the run
    samples = json.loads((result.folder / "environment.json").read_text())["samples"]
    assert samples["users"] == 8
    assert 1 <= samples["texts_per_user"] <= 4
    loaded = load_run(result.folder)
    rows = loaded.test_data._dataset.inter_feat
    scores = loaded.model.full_sort_predict(rows)
    assert scores.dtype == torch.float64
    assert torch.equal(scores[:, 0], torch.full((len(rows),), -torch.inf, dtype=torch.float64))
    assert torch.equal(scores, loaded.model.full_sort_predict(rows))
    own = loaded.model.predict(rows)
    assert own.tolist() == [scores[row, item] for row, item in enumerate(rows["item_id"].tolist())]


def test_ranks_without_the_matrix_of_scores_are_those_of_the_matrix(settings):
    """Lucene's engine counts greater and equal scores itself; pooling by the mean goes by the matrix."""
    trained = run("CALRec", overrides={**settings, "retrieval": "lucene"}, show=False)
    for pooling in ("max", "mean"):
        again = {**settings, "retrieval": "lucene", "pre_model_path": str(trained.folder), "pooling": pooling}
        result = run("CALRec", overrides={**again, "train_steps": 0, "warmup_steps": 0}, show=False)
        loaded = load_run(result.folder)
        assert loaded.model.stands == (pooling == "max")
        rows = loaded.test_data._dataset.inter_feat
        scores, targets = loaded.model.full_sort_predict(rows), rows["item_id"]
        last = rows["item_id_list"].gather(1, rows["item_length"][:, None] - 1)[:, 0]
        expected = tie_ranks(scores, targets)
        masked = ranks_without(last, scores, targets, *expected)
        found = trainer_for("CALRec")(loaded.config, loaded.model).evaluate_ranks(loaded.test_data)
        order = [found.users.tolist().index(user) for user in rows["user_id"].tolist()]
        columns = found.optimistic, found.pessimistic, found.optimistic_masked, found.pessimistic_masked
        assert [column[order].tolist() for column in columns] == [ranks.tolist() for ranks in (*expected, *masked)]


def test_no_step_keeps_the_backbone_as_it_is(settings, tmp_path):
    trained = run("CALRec", overrides=settings, show=False)
    untuned = {**settings, "pre_model_path": str(trained.folder), "train_steps": 0, "warmup_steps": 0}
    result = run("CALRec", overrides=untuned, show=False)
    assert result.test == trained.test  # the same weights and seed
    assert set(result.valid) == set(trained.valid)
    assert json.loads((result.folder / "trained_on.json").read_text())["Tiny"]["held_out"] == 2  # of the run before
    assert load_run(result.folder).model.recommender.backbone.model.num_parameters() > 0


def test_fewer_test_users_are_the_same_for_all_seeds_and_rank_as_among_all(settings):
    trained = run("CALRec", overrides=settings, show=False)
    untuned = {**settings, "pre_model_path": str(trained.folder), "train_steps": 0, "warmup_steps": 0, "test_users": 3}
    some = run("CALRec", overrides=untuned, show=False)
    assert some.users["test"] == 3
    whole, part = read_ranks(trained.folder), read_ranks(some.folder)
    assert part.equals(whole.loc[part.index])
    other_seed = run("CALRec", overrides={**untuned, "seed": 7}, show=False)
    assert read_ranks(other_seed.folder).index.equals(part.index)


def test_what_comes_after_sampling_can_change_without_sampling_again(settings, monkeypatch):
    trained = run("CALRec", overrides=settings, show=False)
    after = {"pre_model_path": str(trained.folder), "train_steps": 0, "warmup_steps": 0, "valid_users": 1}
    asked = []
    original = Recommender.predictions
    monkeypatch.setattr(
        Recommender, "predictions", lambda self, prompts, *more: asked.extend(prompts) or original(self, prompts, *more)
    )
    anew = run("CALRec", overrides={**settings, **after, "temperature": 0.7}, show=False)
    assert len(asked) == 1 + 8  # other sampling: one user validated, eight tested
    asked.clear()
    pooled = run("CALRec", overrides={**settings, **after, "pooling": "mean"}, show=False)
    assert len(asked) == 1
    same = [json.loads((one.folder / "environment.json").read_text())["samples"] for one in (trained, pooled)]
    assert same[0] == same[1]
    tested, both = (read_samples(one.folder / SAMPLES_FILE) for one in (trained, pooled))
    assert [one.split for one in both] == ["valid"] + 8 * ["test"]
    assert both[1:] == tested
    assert [one.user for one in tested] == [f"u{number}" for number in range(8)]
    asked.clear()
    last = run(
        "CALRec", overrides={**settings, **after, "pre_model_path": str(pooled.folder), "epsilon": 0}, show=False
    )
    assert asked == []  # the weights were not trained between: the validation's samples are kept too
    assert last.valid.keys() == pooled.valid.keys()
    keys = [{one.key for one in read_samples(run_.folder / SAMPLES_FILE)} for run_ in (anew, trained)]
    assert keys[0].isdisjoint(keys[1])


def test_constrained_decoding_of_finished_weights(settings):
    trained = run("CALRec", overrides=settings, show=False)
    constrained = {"decoding": "constrained", "beams": 4, "n_pred": 3, "retrieval": "hierarchical"}
    untuned = {**settings, "pre_model_path": str(trained.folder), "train_steps": 0, "warmup_steps": 0} | constrained
    result = run("CALRec", overrides=untuned, show=False)
    samples = json.loads((result.folder / "environment.json").read_text())["samples"]
    assert samples["in_catalogue"] == 1.0
    assert samples["texts_per_user"] <= 3
    assert 0 <= samples["exact"] <= 1
    assert run("CALRec", overrides=untuned, show=False).test == result.test


def test_an_untuned_backbone_was_trained_on_nothing(settings):
    result = run("CALRec", overrides={**settings, "train_steps": 0, "warmup_steps": 0}, show=False)
    assert json.loads((result.folder / "trained_on.json").read_text()) == {}
    assert 0 <= result.test["ndcg_pes@10"] <= 1


def test_gpt4recs_template_asks_with_titles_and_one_suffix(settings):
    overrides = {**settings, "train_steps": 0, "warmup_steps": 0, "prompt_template": "gpt4rec"}
    loaded = load_run(run("CALRec", overrides=overrides, show=False).folder)
    recommender = loaded.model.recommender
    ids = loaded.dataset.field2token_id["item_id"]
    prompt = recommender.items.prompt([ids[item] - 1 for item in "abe"])
    before, _, after = recommender.backbone.tokenizer.decode(prompt, skip_special_tokens=True).partition(". In the")
    assert before == "Previously, the customer has bought: Red Glue. Blue Tape. Steel Ruler"
    assert after == " future, the customer wants to buy"
    assert recommender.catalogue.texts[ids["a"] - 1].startswith("Title: Red Glue. Category:")


def test_hierarchical_retrieval_ranks_what_was_not_found_last(settings):
    """A backbone of six steps writes noise: of 8 items none is found, and every target is last in both cases."""
    result = run("CALRec", overrides={**settings, "retrieval": "hierarchical"}, show=False)
    ranks = read_ranks(result.folder)
    samples = json.loads((result.folder / "environment.json").read_text())["samples"]
    assert samples["follow_template"] == samples["title_in_catalogue"] == 0
    assert ranks["optimistic"].tolist() == ranks["pessimistic"].tolist() == [8] * 8
    assert result.test["recall_opt@1"] == 0


@pytest.mark.parametrize("pooling", ["mean", "min"])
def test_other_poolings_run(pooling, settings):
    plain, pooled = (run("CALRec", overrides={**settings, "pooling": name}, show=False) for name in ("max", pooling))
    scores = [load_run(one.folder) for one in (plain, pooled)]
    rows = scores[0].test_data._dataset.inter_feat
    best, other = (one.model.full_sort_predict(rows)[:, 1:] for one in scores)
    assert (other <= best + 1e-12).all()


def test_a_finished_run_needs_neither_its_backbone_nor_its_tokenizer_again(settings, monkeypatch):
    result = run("CALRec", overrides=settings, show=False)
    expected = load_run(result.folder).model.full_sort_predict
    monkeypatch.setattr("calrec_recbole.plugin.calrec.model.train_tokenizer", None)
    loaded = load_run(result.folder)
    rows = loaded.test_data._dataset.inter_feat
    assert torch.equal(loaded.model.full_sort_predict(rows), expected(rows))


def test_too_few_positions_are_refused_before_training(settings):
    result = run("CALRec", overrides=settings, show=False)  # its backbone has 1,024 + 256 positions
    best = str(result.folder / "checkpoint" / "best")
    with pytest.raises(ConfigError, match="exceed the backbone's 1280 positions; lower it to 980"):
        run("CALRec", overrides={**settings, "backbone": best, "max_new_tokens": 300}, show=False)


def test_a_new_backbone_has_room_for_the_longest_item(settings):
    letters = "".join(random.Random(0).choices(string.ascii_letters, k=400))
    config = Config("CALRec", "Tiny", [], {
        **settings, "scratch_vocab_size": 300, "item_attributes": [{"field": "title", "label": letters, "words": 25}]
    })  # fmt: skip
    model = build_model(config, prepare(config).loaders.train.dataset)
    longest = max(map(len, model.recommender.items.items))
    assert longest > LONGEST
    assert model.backbone_model.config.max_position_embeddings == 1024 + longest


@pytest.mark.parametrize(("scores", "told"), [([3.0, 2.0, 1.0], True), ([1.0, 2.0, 3.0], False)])
def test_weights_that_never_saw_the_contrastive_losses_are_told(settings, monkeypatch, scores, told):
    judged = iter(scores)  # of steps 2, where the warm-up ends, 3 and 6
    monkeypatch.setattr(CALRecTrainer, "_judged", lambda self, *_: (score := next(judged), {"ndcg_pes@10": score}, 1.0))
    result = run("CALRec", overrides=settings, show=False)
    warned = (
        "are those of step 2, with the loss on every item alone: they never saw Eq. 4 (warmup_steps=2, train_steps=6)"
    )
    assert (warned in (result.folder / "log.txt").read_text()) is told


@pytest.mark.parametrize(("steps", "told"), [(6, True), ("auto", False)])
def test_items_that_max_new_tokens_cuts_are_told(settings, steps, told):
    result = run("CALRec", overrides={**settings, "max_new_tokens": steps}, show=False)
    warned = "max_new_tokens=6 cuts 100.0% of the items, which so cannot be generated: set auto"
    assert (warned in (result.folder / "log.txt").read_text()) is told
    items = load_run(result.folder).model.recommender.items.items
    longest = max(map(len, items)) + 1
    assert load_run(result.folder).model.recommender.settings.max_new_tokens == (longest if steps == "auto" else 6)


def test_a_tokenizer_that_loses_characters_is_told(settings, monkeypatch):
    monkeypatch.setattr("calrec_recbole.plugin.calrec.model.lost_share", lambda items, tokenizer: 0.25)
    result = run("CALRec", overrides=settings, show=False)
    told = "the tokenizer of backbone=scratch loses characters of 25.0% of the item texts"
    assert told in (result.folder / "log.txt").read_text()


def test_the_same_seed_gives_the_same_numbers(settings):
    first, second = (run("CALRec", overrides=settings, show=False) for _ in range(2))
    assert first.folder != second.folder
    assert first.test == second.test


def test_training_sequences_hold_all_but_the_last_two_items(settings):
    config = Config("CALRec", config_dict={**settings, "MAX_ITEM_LIST_LENGTH": 3})
    dataset = prepare(config).dataset
    histories = {}
    for user, item in zip(*(dataset.inter_feat[name].tolist() for name in ("user_id", "item_id")), strict=True):
        histories.setdefault(user, []).append(item - 1)  # the tiny file is in chronological order
    sequences = training_sequences(dataset.prepared.events)
    assert sequences == [histories[user][:-2] for user in sorted(histories)]


def test_the_loss_of_recboles_rows_is_finite_and_trainable(settings):
    config = Config("CALRec", config_dict=settings)
    data = prepare(config).loaders
    model = build_model(config, data.train.dataset)
    loss = model.calculate_loss(next(iter(data.train)))
    loss.backward()
    assert torch.isfinite(loss)
    assert all(parameter.grad is not None for parameter in model.backbone_model.parameters())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"retrieval": "lucine"},
            "retrieval='lucine' must be one of lucene, okapi, milvus, hierarchical, rerank, none; did you mean 'lucene",
        ),
        ({"tau_c": 0}, "tau_c=0 must be greater than 0"),
        ({"n_gen": 0}, "n_gen=0"),
        ({"warmup_steps": 7}, "warmup_steps=7 exceeds train_steps=6"),
        ({"alhpa": 0.1}, "did you mean 'alpha'"),
        ({"eval_interval": 0}, "eval_interval=0 must be at least 1"),
        ({"scratch_dropout": 1.5}, "scratch_dropout=1.5 must be below 1"),
        ({"scratch_hidden_size": 30}, "scratch_hidden_size=30 must be a multiple of twice"),
        ({"backbone": "./no/such/folder"}, "backbone=./no/such/folder cannot be loaded .no such folder"),
        ({"max_input_length": 5}, "max_input_length=5 leaves no room"),
        ({"prompt_template": "gpt"}, "prompt_template='gpt' must be one of calrec, gpt4rec"),
        ({"retrieval": "hierarchic"}, "okapi, milvus, hierarchical, rerank, none; did you mean 'hierarchical'"),
        ({"pooling": "sum"}, "pooling='sum' must be one of max, mean, min"),
    ],
)
def test_settings_are_refused_in_one_line_before_training(settings, change, message, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ValueError, match=message) as caught:
        run("CALRec", overrides={**settings, **change}, show=False)
    assert "\n" not in str(caught.value)


@pytest.mark.slow  # a whole process; tests/plugin/test_kill.py kills forks of one at every delicate moment
def test_a_kill_during_training_is_resumed_to_the_same_numbers(settings, tmp_path):
    """SIGKILL after the first saved state; the same command goes on and ends where an uninterrupted run ends."""
    whole = run("CALRec", overrides={**settings, "output_dir": str(tmp_path / "whole")}, show=False)
    arguments = [f"--{key}={json.dumps(value)}" for key, value in settings.items()]
    command = [sys.executable, "-m", "calrec_recbole.cli.run_recbole", "--model=CALRec", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    folder = tmp_path / "runs" / "Tiny" / "CALRec"
    while process.poll() is None and not list(folder.glob("*/checkpoint/last/progress.json")):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    resumed = run("CALRec", overrides=settings, show=False)
    assert list(folder.iterdir()) == [resumed.folder]
    assert "resumed at step" in (resumed.folder / "log.txt").read_text()
    assert resumed.test == whole.test
    weights = [
        run_folder / "checkpoint" / "best" / "model.safetensors" for run_folder in (whole.folder, resumed.folder)
    ]
    assert weights[0].read_bytes() == weights[1].read_bytes()
