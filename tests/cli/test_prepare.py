"""`calrec prepare` as a user meets it: options, messages, exit codes."""

import gzip
import json
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from calrec_recbole.cli.calrec import main


def write(path, records):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(record) + "\n" for record in records).encode()
    path.write_bytes(gzip.compress(lines) if path.suffix == ".gz" else lines)
    return path


def reviews(users=2):
    rows = [(f"u{n}", item, time) for n in range(users) for time, item in enumerate("abcde")]
    return [{"reviewerID": user, "asin": item, "unixReviewTime": time} for user, item, time in rows]


def run(capsys, *argv):
    code = main(list(argv))
    captured = capsys.readouterr()
    errors = [line for line in captured.err.replace("\r", "\n").splitlines() if line and "B/s]" not in line]
    return code, captured.out, errors


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_category_found_one_level_below_with_metadata_and_a_bad_line(tmp_path, capsys):
    path = write(tmp_path / "raw" / "amazon2018" / "Industrial_and_Scientific_5.json", reviews())
    with path.open("a", encoding="utf-8") as file:
        file.write("not json\n")
    meta = [{"asin": "a", "title": "Saw", "category": ["Industrial & Scientific Cutting"]}]
    write(path.with_name("meta_Industrial_and_Scientific.json"), meta)
    code, out, errors = run(capsys, "prepare", "--category=Scientific", "--raw=raw", "--out=dataset/")
    assert (code, errors) == (0, [])
    assert "skipped 1 in Industrial_and_Scientific_5.json: not JSON (lines 11)" in out.splitlines()
    assert (tmp_path / "dataset" / "Scientific" / "Scientific.inter").read_text(encoding="utf-8").count("\n") == 11
    assert "a\tSaw\tCutting\t\t\n" in (tmp_path / "dataset" / "Scientific" / "Scientific.item").read_text(
        encoding="utf-8"
    )


def test_own_files_of_any_name_and_no_metadata(tmp_path, capsys):
    write(tmp_path / "mine.txt", reviews())
    code, _, errors = run(capsys, "prepare", "--category=Mine", "--reviews=mine.txt")
    assert code == 0
    assert errors == ["warning: no metadata file beside mine.txt; every text is Unknown (give --meta=FILE)"]
    assert (tmp_path / "dataset" / "Mine" / "Mine.item").read_text(encoding="utf-8").splitlines()[1] == "a\t\t\t\t"


@pytest.mark.parametrize(
    ("source", "category"),
    [([], "Main"), (["--category-source=main_cat"], "Main"), (["--category-source=path"], "X Y")],
)
def test_name_and_metadata_of_ones_own(source, category, tmp_path, capsys):
    write(tmp_path / "Core_5.json", reviews())
    write(tmp_path / "things", [{"asin": "a", "title": "Saw", "category": ["X", "Y"], "main_cat": "Main"}])
    options = ["--reviews=Core_5.json", "--meta=things", "--name=Own", "--no-dedup", *source]
    code, _, errors = run(capsys, "prepare", *options, "--min-user-events=2", "--ties=item")
    assert (code, errors) == (0, [])
    assert f"a\tSaw\t{category}\t\t" in (tmp_path / "dataset" / "Own" / "Own.item").read_text(encoding="utf-8")
    summary = json.loads((tmp_path / "dataset" / "Own" / "Own.prepare.json").read_text(encoding="utf-8"))
    assert summary["settings"]["dedup"] is False
    assert summary["settings"]["min_user_events"] == 2


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--category=Scientfic"], "error: --category=Scientfic is not a known category; did you mean 'Scientific'?"),
        ([], "error: give --category=NAME, for example --category=Scientific, or --reviews=FILE"),
        (["--category="], "error: give --category=NAME, for example --category=Scientific, or --reviews=FILE"),
        (["--category=Pet"], "error: --raw=raw is not a folder; give the one that holds Pet_Supplies_5.json.gz"),
        (["--reviews=none.json"], "error: --reviews=none.json is not a file"),
        (["--category=Pet", "--categry-source=path"], "error: unknown argument --categry-source=path; did you mean"),
        (["--category=Pet", "--min-user-events=x"], "error: argument --min_user_events: invalid int value: 'x'"),
        (
            ["--category=Beauty2014", "--download"],
            "error: --download knows the releases 2018 and 2023; fetch Beauty2014",
        ),
        (["--category=Pet", "--release=2020"], "error: --release=2020 must be one of 2023, 2018, 2014"),
        (["--category=Pet", "--release=2014"], "error: --release=2014: the files of Pet are of 2018"),
        (["--category=Pet", "--files=reviews"], "error: --files=reviews is of --release=2023 only; leave it out"),
        (["--category=Pet", "--release=2023", "--files=4core"], "error: --files=4core must be one of 5core, last_out"),
        (["--category=Pet", "--release=2023"], "error: no benchmark/5core/rating_only/Pet_Supplies.csv or"),
        (["--reviews=x", "--download"], "error: --download and --reviews=x exclude each other"),
    ],
)
def test_errors_are_one_line_and_code_2(capsys, argv, message):
    try:
        code, _, errors = run(capsys, "prepare", *argv)
    except SystemExit as stop:
        code, errors = stop.code, capsys.readouterr().err.splitlines()
    assert code == 2
    assert len(errors) == 1
    assert errors[0].startswith(message)


@pytest.mark.parametrize("damaged", ["r.json.gz", "meta_r.json.gz"])
def test_a_damaged_gzip_is_accepted_only_where_asked(tmp_path, capsys, damaged):
    lines = [json.dumps(one) for one in reviews(200)], [json.dumps({"asin": one, "title": one}) for one in "abcde"]
    for name, text in zip(("r.json.gz", "meta_r.json.gz"), lines, strict=True):
        packed = gzip.compress("\n".join(text).encode())
        (tmp_path / name).write_bytes(packed[: -9 if name == damaged else None])
    code, _, errors = run(capsys, "prepare", "--reviews=r.json.gz")
    assert (code, len(errors), os.path.exists("dataset/r")) == (2, 1, False)
    assert f"{damaged} is cut off or damaged behind line" in errors[0]
    assert "--accept_damaged" in errors[0]
    code, out, errors = run(capsys, "prepare", "--reviews=r.json.gz", "--accept_damaged")
    assert (code, errors, os.path.exists("dataset/r")) == (0, [], True)
    assert f"skipped 1 in {damaged}: gzip data cut off or damaged" in out


def test_download_then_prepare(tmp_path, capsys):
    served = tmp_path / "served"
    write(served / "categoryFilesSmall" / "Gift_Cards_5.json.gz", reviews())
    write(served / "metaFiles2" / "meta_Gift_Cards.json.gz", [{"asin": "a", "title": "Card"}])
    handler = partial(type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": print_nothing}), directory=str(served))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        base = f"--base-url=http://127.0.0.1:{server.server_address[1]}"
        code, _, errors = run(capsys, "prepare", "--category=Gift_Cards", "--raw=new", "--download", base)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert (code, errors) == (0, [])
    assert sorted(os.listdir("new")) == ["Gift_Cards_5.json.gz", "meta_Gift_Cards.json.gz"]
    assert (tmp_path / "dataset" / "Gift_Cards" / "Gift_Cards.inter").exists()


def print_nothing(*arguments):
    pass


def test_the_official_split_of_2023_is_read_whole_and_compared(tmp_path, capsys):
    """Three files of `last_out`, with two events at one time; the metadata where the repository has it."""
    folder = tmp_path / "raw" / "benchmark" / "5core" / "last_out"
    folder.mkdir(parents=True)
    times = [1588615855070, 1588702255070, 1588788655070, 1588875055070, 1588875055070]
    rows = [f"AE{user},B00{place},5.0,{time}" for user in range(2) for place, time in enumerate(times)]
    parts = {"train": [row for row in rows if row.split(",")[1] in ("B000", "B001", "B002")]}
    parts |= {
        part: [row for row in rows if row.split(",")[1] == item] for part, item in (("valid", "B003"), ("test", "B004"))
    }
    for part, lines in parts.items():
        text = "\n".join(["user_id,parent_asin,rating,timestamp", *lines, ""])
        (folder / f"Gift_Cards.{part}.csv").write_text(text)
    meta = {"parent_asin": "B000", "title": "Card", "store": "Acme", "categories": ["Gift Cards", "Paper"]}
    write(tmp_path / "raw" / "raw" / "meta_categories" / "meta_Gift_Cards.jsonl", [meta])
    code, out, errors = run(capsys, "prepare", "--category=Gift_Cards", "--release=2023")
    assert (code, errors) == (0, [])
    assert out.splitlines()[0].endswith(
        "Gift_Cards.train.csv: Amazon reviews of 2023 (user_id, parent_asin, timestamp in ms)"
    )
    same = "split=leave_one_out validates and tests the same events of 2 of 2 users"
    assert f"official split: last_out, 6/2/2 events; {same}" in out.splitlines()
    prepared = tmp_path / "dataset" / "Gift_Cards2023"
    assert (prepared / "Gift_Cards2023.item").read_text().splitlines()[1] == "B000\tCard\tPaper\tAcme\t"
    assert (prepared / "Gift_Cards2023.inter").read_text().splitlines()[1] == "AE0\tB000\t1588615855.07\t5"


def test_a_2023_file_by_its_name_is_not_taken_for_2018s(tmp_path, capsys):
    """Office of 2018 is sampled, as in the paper; that of 2023 is another data set."""
    rows = [f"AE{user},B00{place},5.0,{1588615855070 + place}" for user in range(4) for place in range(5)]
    (tmp_path / "Office_Products.csv").write_text("\n".join(["user_id,parent_asin,rating,timestamp", *rows, ""]))
    code, _, _ = run(capsys, "prepare", "--reviews=Office_Products.csv")
    assert code == 0
    assert (tmp_path / "dataset" / "Office2023" / "Office2023.inter").read_text().count("\n") == 21


INTERRUPTED = """
import os, signal, sys
import calrec_recbole.data.pipeline as module
module.write_item = lambda *arguments: os.kill(os.getpid(), signal.SIGINT)
from calrec_recbole.cli.calrec import main
sys.exit(main(["prepare", "--reviews=r.json", "--name=Tiny"]))
"""


def test_ctrl_c_is_one_line_code_130_and_leaves_nothing(tmp_path):
    write(tmp_path / "r.json", reviews())
    write(tmp_path / "meta_r.json", [{"asin": "a", "title": "Saw"}])
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=600)
    assert done.returncode == 128 + signal.SIGINT
    told = "interrupted: nothing half-written is left; the same command starts again, a download where it stood"
    assert done.stderr.splitlines()[-1] == told
    assert "Traceback" not in done.stderr
    assert os.listdir("dataset") == []
