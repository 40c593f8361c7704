"""A run reads and hashes each file of its data sets once."""

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from calrec_recbole.plugin.runner import run

FOLLOWED: list[Counter[str]] = []  # what counts at present; an audit hook cannot be taken away


def _follow(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and FOLLOWED and isinstance(arguments[0], str) and arguments[0].endswith((".inter", ".item")):
        FOLLOWED[-1][Path(arguments[0]).name] += 1


sys.addaudithook(_follow)


@pytest.fixture
def opened():
    """How often each atomic file is opened during the test."""
    FOLLOWED.append(Counter())
    yield FOLLOWED[-1]
    FOLLOWED.pop()


ONCE = 2  # the hash, and the rows
RECFORMER = {"scratch_vocab_size": 270, "scratch_hidden_size": 16, "scratch_intermediate_size": 24, "max_tokens": 128}


@pytest.mark.parametrize("model", ["Pop", "SASRec", "LIR", "Recformer", "CALRec"])
def test_each_file_is_read_once(model, request, opened):
    small = RECFORMER if model == "Recformer" else {}
    given = request.getfixturevalue("calrec_settings" if model == "CALRec" else "tiny_settings")
    opened.clear()  # of what wrote the files
    run(model, overrides={**given, **small}, show=False)
    assert opened == {"Tiny.inter": ONCE, "Tiny.item": ONCE}


def test_stage_one_reads_every_category_once(calrec_settings, write_dataset, opened):
    write_dataset("Films", {"v0": "mnopq", "v1": "qponm", "v2": "mopn"})
    write_dataset("Books", {"w0": "rstu", "w1": "utsr"})
    joint = {"train_stage": "joint", "joint_datasets": ["Films", "Books"], "selection_dataset": "Films"}
    opened.clear()
    run("CALRec", overrides={**calrec_settings, **joint}, show=False)
    assert opened == {f"{name}.{kind}": ONCE for name in ("Tiny", "Films", "Books") for kind in ("inter", "item")}


def test_pretraining_reads_every_source_once(tiny_settings, write_dataset, opened):
    write_dataset("Films", {"v0": "mnopq", "v1": "qponm", "v2": "mopn"})
    stage = {"train_stage": "pretrain", "pretrain_epochs": 1, "pretrain_datasets": ["Tiny", "Films"]}
    opened.clear()
    run("Recformer", overrides={**tiny_settings, **RECFORMER, **stage}, show=False)
    assert opened == {"Tiny.inter": ONCE, "Tiny.item": ONCE, "Films.inter": ONCE, "Films.item": ONCE}
