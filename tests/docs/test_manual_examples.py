"""The Python of the README and of the manual runs as it stands, but for the places that a reader fills in."""

import re

import pytest

from calrec_recbole.cli import calrec, run_recbole
from calrec_recbole.plugin.runner import run
from tests.docs.conftest import PAGES, ROOT, blocks

PLACES = re.compile(r'"runs/[^"]*/\.\.\."')


@pytest.fixture
def examples(tmp_path, monkeypatch):
    """Runs one block of a page in an empty folder; a place in it is replaced by the folder of a run."""
    monkeypatch.chdir(tmp_path)

    def start(page: str, part: str, folder: object = "") -> None:
        code = [block for block in blocks(ROOT / page, "python") if part in block]
        assert len(code) == 1, f"{page} has {len(code)} examples with {part}"
        exec(compile(PLACES.sub(repr(str(folder)), code[0]), page, "exec"), {})

    return start


def test_the_first_example_and_what_a_reader_makes_of_its_ranks(examples, tmp_path, capsys):
    for page in ("README.md", "docs/quick_start.md"):
        examples(page, "runner import run")
    folders = sorted((tmp_path / "runs" / "ml-100k" / "LIR").iterdir())
    assert str(folders[0].relative_to(tmp_path)) in capsys.readouterr().out
    examples("docs/extending.md", "read_ranks", folders[0])
    assert 0 < float(capsys.readouterr().out) < 1


def test_own_data(examples, tmp_path):
    examples("docs/data.md", "MyShop")
    assert run_recbole.main(["--model=LIR", "--dataset=MyShop", "--gpu_id="]) == 0
    assert list((tmp_path / "runs" / "MyShop" / "LIR").glob("*/metrics.json"))


def test_ranks_of_ties(examples, capsys):
    examples("docs/evaluation.md", "tie_ranks")
    assert capsys.readouterr().out.startswith("tensor([2]) tensor([3])")


def test_recommendations(examples, calrec_settings, capsys, monkeypatch):
    folder = run("CALRec", overrides=calrec_settings, show=False).folder
    page = (ROOT / "docs" / "quick_start.md").read_text(encoding="utf-8")
    for number, item in enumerate(dict.fromkeys(re.findall(r'"(B0\w+)"', page))):
        page = page.replace(item, "ab"[number])
    monkeypatch.setattr(
        "tests.docs.test_manual_examples.blocks", lambda *_: re.findall(r"```python\n(.*?)```", page, re.S)
    )
    examples("docs/quick_start.md", "load_run", folder)
    assert len(capsys.readouterr().out.splitlines()) == 8  # of ten asked for: Tiny has eight items


def test_every_python_block_is_one_of_these():
    found = [(str(page.relative_to(ROOT)), block) for page in PAGES for block in blocks(page, "python")]
    run_here = ("runner import run", "MyShop", "tie_ranks", "read_ranks", "load_run", "my_models.py")
    assert [page for page, block in found if not any(part in block for part in run_here)] == []


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as end:
        calrec.main(["--version"])
    assert end.value.code == 0
    assert re.fullmatch(r"calrec-recbole \d+\.\d+\.\d+\n", capsys.readouterr().out)
