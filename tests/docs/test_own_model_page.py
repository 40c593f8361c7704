"""The page on a model of one's own, from top to bottom, on a tiny shop."""

import re
import shlex
import sys

import pandas as pd
import pytest

from calrec_recbole.cli import calrec, run_recbole
from calrec_recbole.comparison import process, resolution
from calrec_recbole.plugin.exchange.run_lists import of_users
from calrec_recbole.plugin.reload import load_run
from calrec_recbole.plugin.run_identity import resolve
from tests.conftest import CALREC, TINY_HISTORIES, TINY_ITEMS
from tests.docs.conftest import ROOT, blocks, shell_lines

PAGE = ROOT / "docs" / "own_model.md"
NAMES = ["ann", "bob", "cem", "dee", "eve", "fay", "gus", "hal"]  # of the users
ARTICLES = dict(zip("abcdefgh", ["tape", "glue", "pen", "cap", "ruler", "ink", "pad", "clip"], strict=True))
SMALL = {"epochs": 1, "show_progress": "false", "gpu_id": "", "log_tensorboard": "false", "MAX_ITEM_LIST_LENGTH": 5}


class InThisProcess:
    """In place of a run's own process, which takes seconds to load torch."""

    def __init__(self, command, output, threads, gpu=None, lease=None):
        self.code, self.output, self.gpu = run_recbole.main(command), output, gpu

    def poll(self):
        return self.code

    def wait(self, seconds):
        return True

    def signal(self, number):
        pass

    def error(self):
        return "see above"


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """The folder of a reader who has two tables."""
    events = [
        {"customer": NAMES[number], "article": ARTICLES[item], "bought_at": 1_500_000_000 + 40 * place + number}
        for number, history in enumerate(TINY_HISTORIES)
        for place, item in enumerate(history)
    ]
    items = [{"article": ARTICLES[item], "title": title, "category": kind} for item, title, kind, *_ in TINY_ITEMS]
    pd.DataFrame(events).to_csv(tmp_path / "events.csv", index=False)
    pd.DataFrame(items).to_csv(tmp_path / "items.csv", index=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(process, "RunProcess", InThisProcess)
    monkeypatch.setattr(process, "interpreter", list)
    monkeypatch.setattr(resolution, "_ask", lambda requests: [resolve(one) for one in requests])
    path = list(sys.path)
    yield tmp_path
    sys.path[:] = path
    sys.modules.pop("my_models", None)


def run_of(model, shop):
    return max((shop / "runs" / "MyShop" / model).iterdir(), key=lambda folder: folder.stat().st_mtime)


def small(words: list[str]) -> list[str]:
    """Settings that make a command of the page short; its trials are as few as tell two apart."""
    words = [re.sub("^--trials=.*", "--trials=2", word) for word in words]
    if words[1] not in ("tune", "compare") and words[0] != "run_recbole":
        return words
    words += [f"--{key}={value}" for key, value in SMALL.items()]
    return words + [f"--CALRec.{key}={value}" for key, value in CALREC.items() if words[1] == "compare"]


def test_every_line_of_the_page_works(shop, capsys):
    for language, ending in (("python", "py"), ("yaml", "yaml")):
        for code in blocks(PAGE, language):
            if named := re.match(rf"# (\w+\.{ending})\n", code):
                (shop / named[1]).write_text(code)
    done = []
    for line in shell_lines(PAGE):
        words = shlex.split(line)
        if not words or words[0] not in ("calrec", "run_recbole") or len(words) < 3:
            continue
        if any("RUN" in word for word in words):
            words = [word.replace("RUN", str(run_of("NextItem", shop))) for word in words]
        if "--scores=theirs.parquet" in words:  # what another framework might have written
            of_users(load_run(run_of("SASRec", shop)), 8)[["user_id", "item_id", "score"]].to_parquet("theirs.parquet")
        program = calrec.main if words[0] == "calrec" else run_recbole.main
        assert program(small(words)[1:]) == 0, f"{line}: {capsys.readouterr().err}"
        done.append(words[1] if words[0] == "calrec" else words[0])
    expected = ["import", "check", "run_recbole", "tune", "compare", *["recommend"] * 3, "export", "evaluate"]
    assert done == [*expected, "report"]
    _check_what_is_there(shop)


def _check_what_is_there(shop):
    table = (shop / "results" / "MyShop" / "table.md").read_text()
    assert all(name in table for name in ("Pop", "ItemKNN", "SASRec", "CALRec", "NextItem"))
    everything = pd.read_csv(shop / "results" / "all" / "results.csv").set_index("label")
    metrics = [name for name in everything if "valid" not in name and ("@" in name or name.startswith("mrr"))]
    theirs, same = everything.loc["Theirs", metrics], everything.loc["SASRec", metrics]
    assert len(metrics) > 3
    assert theirs.tolist() == pytest.approx(same.tolist())
    assert (run_of("CALRec", shop) / "topk.parquet").is_file()
    assert len((shop / "nextitem.trec").read_text().splitlines()) == len(NAMES) * len(ARTICLES)
    code = next(block for block in blocks(PAGE, "python") if "load_run" in block)
    exec(compile(code.replace("runs/MyShop/NextItem/...", str(run_of("NextItem", shop))), "page", "exec"), {})
