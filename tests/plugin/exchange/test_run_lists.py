"""What a finished run recommends, against the scores of its model."""

import pytest
import torch
from recbole.utils.case_study import full_sort_topk

from calrec_recbole.cli.calrec import main
from calrec_recbole.errors import CalrecError
from calrec_recbole.plugin.exchange.run_lists import after_history, of_users, score_matrix
from calrec_recbole.plugin.reload import load_run
from calrec_recbole.plugin.runner import run
from tests.conftest import TINY_HISTORIES

SIZES = {"hidden_size": 8, "inner_size": 8, "n_layers": 1, "n_heads": 1}


@pytest.fixture
def loaded(tiny_settings):
    """By the model's name."""

    def load(model, **more):
        return load_run(run(model, overrides={**tiny_settings, **more}, show=False).folder)

    return load


@pytest.mark.parametrize("model", ["SASRec", "BPR", "NAIS"])  # the last scores pairs alone
def test_lists_of_users_are_the_best_of_their_scores(loaded, model):
    own = loaded(model, **(SIZES if model == "SASRec" else {}))
    prepared = own.dataset.prepared
    scores = torch.from_numpy(score_matrix(own))
    order = [prepared.users[user] for batch in own.test_data for user in batch[0]["user_id"].tolist()]
    found = of_users(own, 3)
    for user, row in zip(order, scores, strict=True):
        best = [prepared.items[place + 1] for place in row.sort(descending=True, stable=True).indices[:3].tolist()]
        assert found[found["user_id"] == user]["item_id"].tolist() == best
    some = of_users(own, 2, ["u3", "u1"])
    assert set(some["user_id"]) == {"u1", "u3"}
    assert len(some) == 4


@pytest.mark.parametrize(("model", "more"), [("SASRec", SIZES), ("LIR", {"retrieval": "okapi"}), ("GRU4Rec", {})])
def test_a_history_gives_what_a_user_with_it_gets(loaded, model, more):
    own = loaded(model, **more)
    ids = [list(history[:-1]) for history in TINY_HISTORIES]
    for number in (0, 6):
        by_user = of_users(own, 4, [f"u{number}"])
        by_history = after_history(own, ids[number], 4)
        assert by_history["item_id"].tolist() == by_user["item_id"].tolist()
        assert by_history["score"].tolist() == pytest.approx(by_user["score"].tolist(), abs=1e-6)


@pytest.mark.parametrize(
    ("model", "history", "fault"),
    [
        ("BPR", ["a"], "BPR knows users, not histories: give --user=ID"),
        ("SASRec", ["a", "nothing"], "'nothing' is no item of Tiny"),
        ("RecentPop", ["a"], "RecentPop reads more than the items of a history: give --user=ID"),
    ],
)
def test_what_a_model_cannot_take_is_one_line(loaded, model, history, fault):
    with pytest.raises(CalrecError, match=fault):
        after_history(loaded(model), history, 3)


def test_recboles_case_study_takes_what_is_loaded(loaded):
    own = loaded("SASRec", **SIZES)
    prepared = own.dataset.prepared
    numbers = [prepared.users.index(user) for user in ("u5", "u2")]
    scores, items = full_sort_topk(numbers, own.model, own.test_data, k=3)
    found = of_users(own, 3, ["u2", "u5"])
    for user, row, values in zip(("u5", "u2"), items, scores, strict=True):
        mine = found[found["user_id"] == user]
        assert mine["item_id"].tolist() == [prepared.items[item] for item in row.tolist()]
        assert mine["score"].tolist() == pytest.approx(values.tolist())


def test_an_unknown_user_is_named(loaded):
    with pytest.raises(CalrecError, match="'v1' is no user of the test; did you mean 'u1'"):
        of_users(loaded("Pop"), 3, ["v1"])


def test_the_commands(tiny_settings, tmp_path, capsys):
    folder = run("BPR", overrides=tiny_settings, show=False).folder
    assert main(["recommend", f"--run={folder}", "--user=u1", "--top=2"]) == 0
    told = capsys.readouterr().out
    assert "Title: " in told  # the texts of the items
    assert "u1" in told
    assert main(["recommend", f"--run={folder}", "--user=u1", "--top=2", "--json"]) == 0
    assert '"place":2' in capsys.readouterr().out.replace(" ", "")
    for given, fault in {
        "--history=a": "BPR knows users",
        "--text=Glue": "is no CALRec run",
        "--user=,": "--user=, names none",
        "--history=": "--history= names none",
        "--top=0": "--top=0 must be at least 1",
        "--user=u1 --out=m.npy": "--out=m.npy holds all test users and items: leave --user and --top out",
        "--top=10 --out=m.npy": "leave --user and --top out",
        "--out=a.csv --json": "--json prints, and --out=a.csv writes",
        "--top=3": "give --history=ID,ID,... or --user=ID",
        f"--out={tmp_path}/x.xml": "ending of --out='.xml' must be one of .parquet",
    }.items():
        assert main(["recommend", f"--run={folder}", *given.split()]) == 2
        assert fault in capsys.readouterr().err
