"""The page as a user meets it."""

import logging

import pytest

from calrec_recbole.cli.calrec import main

SMALL = ["--scratch_vocab_size=300", "--scratch_hidden_size=16", "--scratch_num_attention_heads=2"]


@pytest.fixture
def check(tiny_dataset, capsys):
    def start(*more, dataset="Tiny"):
        code = main(["check", f"--dataset={dataset}", f"--data_path={tiny_dataset}", *more])
        told = capsys.readouterr()
        return code, told.out, told.err

    return start


def test_one_page_without_a_backbone(check, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    code, page, errors = check()
    assert (code, errors) == (0, "")
    for section in ("Files", "Events", "Split", "Texts"):
        assert section in page
    assert "Tokens" not in page
    assert "Tiny.item: 1 of 8 items have no row, and so no text" in page.splitlines()


def test_the_loggers_are_left_as_they_were(check, monkeypatch):
    logger = logging.getLogger("calrec_recbole.plugin.data.prepared")
    monkeypatch.setattr(logger, "level", logging.INFO)
    check()
    assert logger.level == logging.INFO


def test_tokens_and_cost_of_a_backbone(check, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    steps = ["--train_steps=10", "--warmup_steps=0", "--eval_interval=5"]
    code, page, errors = check("--backbone=scratch", "--teraflops=2", *SMALL, *steps)
    assert (code, errors) == (0, "")
    for part in ("tokens an item", "training, 10 steps of 32 users", "2 validations on 8 users", "test on 8 users, 32"):
        assert part in page
    assert "2 teraFLOP/s (as given)" in page


def test_settings_reach_the_files(check, tiny_dataset, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    for file in (tiny_dataset / "Tiny").iterdir():
        text = file.read_text(encoding="utf-8").replace("Glue", "Glué").replace("\t", ",")
        file.write_bytes(text.replace("item_id:", "product_id:").encode("latin-1"))
    code, page, _ = check("--encoding=latin-1", "--field_separator=,", "--ITEM_ID_FIELD=product_id")
    assert code == 0
    assert "distinct texts" in page
    code, page, _ = check("--field_separator=,", "--ITEM_ID_FIELD=product_id")
    assert code == 0
    assert "is not utf-8" in " ".join(page.split())


def test_bad_rows_are_told_and_do_not_end_it(check, tiny_dataset, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    with (tiny_dataset / "Tiny" / "Tiny.inter").open("a") as file:
        file.write("u0\ta\t\n")
    code, page, _ = check()
    assert code == 0
    assert "Tiny.inter: 1 rows dropped by bad_rows=drop: line 47: timestamp is empty" in page


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--encodng=x"], "setting 'encodng' is unknown to CALRec; did you mean 'encoding'?"),
        (["--teraflops=0"], "--teraflops=0.0 must be above 0"),
        (["--teraflops=nan"], "--teraflops=nan must be above 0"),
        (["--ITEM_ID_FIELD=product"], "ITEM_ID_FIELD='product' is not a column of"),
        (["--backbone=none.gguf"], "backbone=none.gguf: no such GGUF file"),
    ],
)
def test_errors_are_one_line(check, options, message):
    code, _, errors = check(*options)
    assert (code, errors.count("\n")) == (2, 1)
    assert message in errors


def test_a_missing_data_set_says_what_to_do(check):
    code, _, errors = check(dataset="Tinny")
    assert (code, errors.count("\n")) == (2, 1)
    assert "did you mean 'Tiny'" in errors
