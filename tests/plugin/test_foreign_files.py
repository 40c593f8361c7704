"""Atomic files as people have them, through the command: nothing made up, nothing dropped unsaid, one text for all."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from calrec_recbole.cli.run_recbole import main
from calrec_recbole.evaluation import read_ranks
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.prepared import prepare
from calrec_recbole.plugin.runner import run

FEATURES = {"FDSA": ["--selected_features=[category]"], "LIR": ["--retrieval=okapi"]}


@pytest.fixture
def folder(tiny_dataset):
    return tiny_dataset / "Tiny"


@pytest.fixture
def command(tiny_settings, capsys):
    """Runs run_recbole on Tiny; gives the exit code, what it said, and (user, target, ranks) of the run."""

    def start(model, *more, dataset="Tiny"):
        given = {**tiny_settings, "dataset": dataset, "state": "WARNING"}
        code = main([f"--model={model}", *(f"--{key}={value}" for key, value in given.items()), *more])
        told = capsys.readouterr()
        place = [line for line in told.out.splitlines() if line.startswith("run folder: ")]
        return code, told.err, read_ranks(Path(place[0].removeprefix("run folder: "))) if place else None

    return start


def rewritten(file, change):
    file.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8")


def same(first, second, columns=("item_id", "optimistic", "pessimistic")):
    return all(first[column].sort_index().equals(second[column].sort_index()) for column in columns)


def targets(ranks):
    return ranks["item_id"].sort_index().to_dict()


def blank_times(text):
    """The last events of u0 and u1 lose their times: f and g in that order of users."""
    head, *lines = text.splitlines()
    last = {user: max(n for n, line in enumerate(lines) if line.startswith(f"{user}\t")) for user in ("u0", "u1")}
    for n in last.values():
        lines[n] = lines[n].rpartition("\t")[0] + "\t"
    return "\n".join([head, *lines]) + "\n"


@pytest.mark.parametrize("split", ["leave_one_out", "global_time"])
def test_blank_times_are_named_or_dropped_and_never_made_up(command, folder, split):
    lines = (folder / "Tiny.inter").read_text().splitlines()
    rewritten(folder / "Tiny.inter", blank_times)
    numbers = [n for n, line in enumerate((folder / "Tiny.inter").read_text().splitlines(), 1) if line.endswith("\t")]
    code, told, _ = command("Pop", f"--split={split}")
    assert (code, told.count("\n")) == (2, 1)
    assert f"Tiny.inter lines {numbers[0]}, {numbers[1]}: timestamp is empty: mend the rows, or leave them out" in told
    code, told, dropped = command("Pop", f"--split={split}", "--bad_rows=drop")
    assert code == 0
    assert f"2 rows dropped by bad_rows=drop: lines {numbers[0]}, {numbers[1]}: timestamp is empty" in told
    kept = [line for n, line in enumerate(lines, 1) if n not in numbers]
    (folder / "Tiny.inter").write_text("\n".join(kept) + "\n")
    assert same(dropped, command("Pop", f"--split={split}")[2])
    if split == "leave_one_out":
        assert targets(dropped)["u0"] == "e"  # of abcdef, without f


@pytest.mark.parametrize("cell", ["inf", "-inf", "NaN", "soon", "1e400"])
def test_what_is_no_time_is_an_error(command, folder, cell):
    rewritten(folder / "Tiny.inter", lambda text: text + f"u0\ta\t{cell}\n")
    code, told, _ = command("SASRec")
    assert code == 2
    assert "Tiny.inter line 47: timestamp is no finite number or ISO date" in told


def test_a_cut_line_and_a_row_of_one_column(command, folder):
    rewritten(folder / "Tiny.inter", lambda text: text.replace("\n", "\nu0\n", 1) + "u0\ta")
    code, told, _ = command("Pop")
    assert code == 2
    assert "Tiny.inter line 2: 1 fields, expected 3; line 48: 2 fields, expected 3" in told
    code, told, ranks = command("Pop", "--bad_rows=drop")
    assert (code, len(ranks)) == (0, 8)


@pytest.mark.parametrize("words", [{"u0": "NA"}, {"\ta\t": "\tNone\t"}, {"u1": "null", "\tb\t": "\tnan\t"}])
def test_ids_that_read_as_null_are_ids(command, folder, words):
    plain = command("Pop")[2]

    def named(text):
        for old, new in words.items():
            text = text.replace(old, new)
        return text

    rewritten(folder / "Tiny.inter", named)
    code, _, ranks = command("Pop")
    assert (code, len(ranks)) == (0, 8)
    assert sorted(ranks["pessimistic"]) == sorted(plain["pessimistic"])
    assert set(words.values()) & {f"\t{item}\t" for item in ranks["item_id"]} | set(words.values()) & set(ranks.index)


def test_a_bare_quote_swallows_no_item_and_all_models_read_one_text(command, folder, tiny_settings):
    rewritten(
        folder / "Tiny.item", lambda text: text.replace("Red Glue", '"Red Glue').replace("Blue Pen", 'Blue "Pen" 1"')
    )
    prepared = prepare(Config("FDSA", config_dict=tiny_settings | {"selected_features": ["title"]}))
    texts = {one: prepared.catalogue.texts[place - 1] for place, one in enumerate(prepared.items) if place}
    assert texts["a"].startswith('Title: "Red Glue. Category: Office Adhesives.')
    assert texts["b"].startswith("Title: Blue Tape. Category")
    assert texts["f"].startswith('Title: Blue "Pen" 1". Category')
    dataset = prepared.dataset
    titles = dataset.id2token("title", dataset.item_feat["title"].to_numpy(int))
    for item, title in zip(prepared.items[1:], titles[1:], strict=True):
        assert texts[item].startswith(f"Title: {'Unknown' if title == '[PAD]' else title}.")
    assert command("FDSA", "--selected_features=[title]")[0] == command("LIR", *FEATURES["LIR"])[0] == 0


@pytest.mark.parametrize("model", ["LIR", "FDSA"])
def test_of_repeated_rows_the_first_that_is_not_empty_counts(command, folder, model):
    plain = command(model, *FEATURES[model])[2]
    rewritten(
        folder / "Tiny.item", lambda text: text.replace("\n", "\na\t\t\t\t\n", 1) + "b\tOther\tOther\tO\t\nb\t\t\t\t\n"
    )
    code, told, ranks = command(model, *FEATURES[model])
    assert code == 0
    assert told.count("Tiny.item: 3 rows repeat an item; the first that is not empty counts") == 1
    assert same(ranks, plain)


def renamed(text):
    return text.replace("item_id:", "product_id:").replace("user_id:", "reviewer:").replace("timestamp:", "date:")


FORMATS = {
    "fields": (renamed, "utf-8", ["--ITEM_ID_FIELD=product_id", "--USER_ID_FIELD=reviewer", "--TIME_FIELD=date"]),
    "comma": (lambda text: text.replace("\t", ","), "utf-8", ["--field_separator=,"]),
    "quoted comma": (lambda text: text.replace("\t", ","), "utf-8", ['--field_separator=","']),
    "bar": (lambda text: text.replace("\t", "|"), "utf-8", ["--field_separator=|"]),
    "colons": (lambda text: text.replace("\t", "::"), "utf-8", ["--field_separator=::"]),
    "latin-1": (lambda text: text.replace("Glue", "Glué"), "latin-1", ["--encoding=latin-1"]),
    "gbk": (lambda text: text.replace("Glue", "胶水"), "gbk", ["--encoding=gbk"]),
    "utf-16": (lambda text: text, "utf-16", ["--encoding=utf-16"]),
    "mark": (lambda text: text, "utf-8-sig", []),
    "mark named": (lambda text: text, "utf-8-sig", ["--encoding=utf-8-sig"]),
    "crlf": (lambda text: text.replace("\n", "\r\n"), "utf-8", []),
}


@pytest.mark.parametrize("form", FORMATS)
def test_recboles_settings_hold_for_both_files(command, folder, form):
    plain = {model: command(model, *FEATURES[model])[2] for model in ("LIR", "FDSA")}
    change, encoding, settings = FORMATS[form]
    for file in (folder / "Tiny.inter", folder / "Tiny.item"):
        file.write_bytes(change(file.read_text(encoding="utf-8")).encode(encoding))
    for model, ranks in plain.items():
        code, told, found = command(model, *FEATURES[model], *settings)
        assert (code, "error" in told) == (0, False)
        assert same(found, ranks)


@pytest.mark.parametrize("model", ["Pop", "SASRec"])
def test_models_without_texts_need_no_item_file(command, folder, model):
    plain = command(model)[2]
    (folder / "Tiny.item").write_bytes("item_id:token\ttitle:token\na\té\n".encode("latin-1"))
    code, told, ranks = command(model)
    assert code == 0
    assert told.count("Tiny.item line 2 is not utf-8") == 1
    assert "left out: ties of text, equivalent items, slices by text" in told
    assert same(ranks, plain)
    (folder / "Tiny.item").unlink()
    code, told, ranks = command(model)
    assert (code, "Tiny.item cannot be read" in told) == (0, True)
    assert same(ranks, plain)
    code, told, _ = command("LIR", *FEATURES["LIR"])
    assert (code, told.count("\n"), "Tiny.item cannot be read" in told) == (2, 1, True)


def test_dropped_rows_stand_in_environment_json(folder, tiny_settings):
    rewritten(folder / "Tiny.inter", lambda text: text + "u0\ta\t\n")
    rewritten(folder / "Tiny.item", lambda text: text + "x\n")
    result = run("Pop", overrides=tiny_settings | {"bad_rows": "drop"}, show=False)
    assert json.loads((result.folder / "environment.json").read_text())["dropped_rows"] == 2


def test_items_without_a_row_are_counted(command):
    assert "Tiny.item: 1 of 8 items have no row, and so no text" in command("LIR", *FEATURES["LIR"])[1]  # g


RECBOLES = {  # headers and values as RecSysDatasets writes them
    "Amazon_Beauty": (
        "user_id:token\titem_id:token\trating:float\ttimestamp:float",
        "item_id:token\ttitle:token\tsales_type:token\tsales_rank:float\tcategories:token_seq\tprice:float\tbrand:token",
        '{item}\t"The ""{item}"" Cream"\tBeauty\t7.0\t\'Beauty\', \'Skin Care\'\t\tAcme',
        [],
        """Title: The "{item}" Cream. Category: 'Beauty', 'Skin Care'. Brand: Acme. Price: Unknown.""",
        "category <- categories",
    ),
    "ml-1m": (
        "user_id:token\titem_id:token\trating:float\ttimestamp:float",
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tgenre:token_seq",
        "{item}\tToy Story {item}\t1995\tAnimation Children's Comedy",
        [],
        "Title: Toy Story {item}. Category: Animation Children's Comedy.",
        "title <- movie_title, category <- genre; no brand, price",
    ),
    "steam": (
        "user_id:token\tproduct_id:token\tplay_hours:float\ttimestamp:float",
        "app_name:token\tdeveloper:token\tgenres:token_seq\tid:token\tprice:float\ttags:token_seq",
        'The "{item}\tKotoshiro\tAction Casual\t{item}\tnan\tIndie',
        ["--ITEM_ID_FIELD=product_id"],
        'Title: The "{item}. Category: Action Casual. Brand: Kotoshiro. Price: Unknown.',
        "title <- app_name, category <- genres, brand <- developer",
    ),
    "yelp": (
        "review_id:token\tuser_id:token\tbusiness_id:token\tstars:float\tdate:float",
        "business_id:token\titem_name:token_seq\taddress:token_seq\tcategories:token_seq",
        "{item}\tThe Range {item}\t10913 Bailey Rd\tActive Life, Gun/Rifle Ranges",
        ["--ITEM_ID_FIELD=business_id", "--TIME_FIELD=date"],
        "Title: The Range {item}. Category: Active Life, Gun/Rifle Ranges.",
        "title <- item_name, category <- categories; no brand, price",
    ),
}


def write_recboles(data_path, name):
    events, items, row, *_ = RECBOLES[name]
    (data_path / name).mkdir()
    fields = [column.partition(":")[0] for column in events.split("\t")]
    lines = [line.split("\t") for line in (data_path / "Tiny" / "Tiny.inter").read_text().splitlines()[1:]]
    of = {"user_id": 0, "item_id": 1, "product_id": 1, "business_id": 1, "timestamp": 2, "date": 2}
    rows = ["\t".join(line[of[field]] if field in of else "5.0" for field in fields) for line in lines]
    (data_path / name / f"{name}.inter").write_text("\n".join([events, *rows]) + "\n")
    lines = [row.replace("{item}", item) for item in "abcdefgh"]
    (data_path / name / f"{name}.item").write_text("\n".join([items, *lines]) + "\n")


@pytest.mark.parametrize("name", RECBOLES)
def test_recboles_own_data_sets_work_without_a_yaml(command, tiny_dataset, name):
    write_recboles(tiny_dataset, name)
    *_, fields, text, said = RECBOLES[name]
    code, told, ranks = command("LIR", "--retrieval=okapi", *fields, dataset=name)
    assert (code, len(ranks)) == (0, 8)
    assert told.count(f"{name}.item: {said} (item_attributes may name other columns)") == 1
    settings = dict(one.removeprefix("--").split("=") for one in fields)
    prepared = prepare(Config("LIR", name, config_dict={"data_path": str(tiny_dataset), **settings}))
    assert prepared.catalogue.texts == tuple(text.replace("{item}", item) for item in prepared.items[1:])
    code, told, alone = command("LIR", "--retrieval=okapi", dataset=name)  # the ids by their known names
    assert (code, same(alone, ranks)) == (0, True)
    assert ("ITEM_ID_FIELD" in told) == bool(fields)
    assert command("Pop", dataset=name)[0] == 0


def test_a_data_set_without_items_trains(command, tiny_dataset):
    """As mind_small: events alone."""
    (tiny_dataset / "mind").mkdir()
    text = (tiny_dataset / "Tiny" / "Tiny.inter").read_text()
    (tiny_dataset / "mind" / "mind.inter").write_text(text)
    code, told, ranks = command("SASRec", dataset="mind")
    assert (code, len(ranks), told.count("mind.item cannot be read")) == (0, 8, 1)


def test_item_attributes_override_the_known_names(tiny_dataset, tiny_settings):
    write_recboles(tiny_dataset, "ml-1m")
    chosen = [{"field": "release_year", "label": "Year", "words": 1}]
    given = {**tiny_settings, "dataset": "ml-1m", "item_attributes": chosen, "text_attributes": ["genre", "title"]}
    prepared = prepare(Config("LIR", config_dict=given))
    assert set(prepared.catalogue.texts) == {"Year: 1995."}
    assert list(prepared.attributes(["genre", "title"], "text_attributes")[0]) == ["genre", "movie_title"]


def test_an_edited_file_is_said_and_its_hash_kept(folder, tiny_settings, caplog):
    digests = {
        name: {"sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest()}
        for name in ("Tiny.inter", "Tiny.item")
    }
    (folder / "Tiny.prepare.json").write_text(json.dumps({"files": digests}))
    run("Pop", overrides=tiny_settings, show=False)
    assert "edited since prepare" not in caplog.text
    rewritten(folder / "Tiny.item", lambda text: text.replace("Red", "Pink"))
    result = run("Pop", overrides=tiny_settings, show=False)
    assert caplog.text.count("Tiny.item was edited since prepare: run calrec check --dataset=Tiny") == 1
    kept = json.loads((result.folder / "environment.json").read_text())["data_sha256"]["item"]
    assert kept == hashlib.sha256((folder / "Tiny.item").read_bytes()).hexdigest() != digests["Tiny.item"]["sha256"]


def test_equal_text_ties_under_any_quoting(command, folder):
    """b and h have one text; quoted once and bare once they still tie."""
    plain = command("LIR", *FEATURES["LIR"])[2]
    rewritten(folder / "Tiny.item", lambda text: text.replace("h\tBlue Tape", 'h\t"Blue Tape"'))
    found = command("LIR", *FEATURES["LIR"])[2]
    assert same(found, plain)
    assert np.any(found["optimistic"] < found["pessimistic"])


def with_times(change):
    """The file with each time changed."""

    def changed(text):
        head, *lines = text.splitlines()
        rows = [line.split("\t") for line in lines]
        return "\n".join([head, *("\t".join([user, item, change(int(time))]) for user, item, time in rows)]) + "\n"

    return changed


def iso(seconds):
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


SAME_EVENTS = {  # each is the plain file, written otherwise
    "dates": with_times(iso),
    "dates as tokens": lambda text: with_times(iso)(text).replace("timestamp:float", "timestamp:token"),
    "numbers as tokens": lambda text: with_times(lambda time: str(time - 1_499_999_950))(text).replace(
        ":float", ":token"
    ),
    "ms": with_times(lambda time: f"{time}123"),
    "before 1970": with_times(lambda time: str(time - 1_600_000_000)),
    "fractions": with_times(lambda time: f"{time / 1e6:.6f}"),
    "other columns": lambda text: "".join(f'x "{line[:1]}\t{line}\n' for line in text.splitlines()).replace(
        'x "u\tuser_id', "note:token\tuser_id", 1
    ),
    "no types": lambda text: text.replace(":token", "").replace(":float", ""),
    "blank lines": lambda text: text.replace("\n", "\n\n"),
}


@pytest.mark.parametrize("form", SAME_EVENTS)
def test_the_same_events_give_the_same_ranks(command, folder, form):
    plain = command("Pop")[2]
    rewritten(folder / "Tiny.inter", SAME_EVENTS[form])
    code, _, found = command("Pop")
    assert (code, same(found, plain)) == (0, True)


def test_odd_ids_give_the_same_ranks(command, folder):
    odd = {"u0": 'a "b"', "u1": "#1", "u2": " é中 ", "u3": "🎸", "u4": "'", "u5": "a,b;c:d", "u6": "\\N", "u7": "0007"}
    plain = command("Pop")[2]

    def changed(text):
        for old, new in odd.items():
            text = text.replace(f"{old}\t", f"{new}\t")
        return text

    rewritten(folder / "Tiny.inter", changed)
    code, _, found = command("Pop")
    assert code == 0
    assert same(found, plain.rename(index=odd))


def items_of(titles):
    rows = [f"{item}\t{title}\t\t\t" for item, title in titles.items()]
    return "\n".join(["item_id:token\ttitle:token\tcategory:token\tbrand:token\tprice:token", *rows]) + "\n"


def test_without_any_text_all_items_tie(command, folder):
    (folder / "Tiny.item").write_text(items_of(dict.fromkeys("abcdefgh", "")))
    code, _, ranks = command("LIR", *FEATURES["LIR"])
    assert (code, set(ranks["optimistic"]), set(ranks["pessimistic"])) == (0, {1}, {8})


def test_titles_of_any_script_and_length(command, folder):
    """Of two titles that differ in case alone BM25's scores are the same."""
    long = (
        "茶" * 6000,
        " ".join(f"word{n}" for n in range(5000)),
        "Blue Tape",
        "BLUE tape",
        "हिन्दी",
        "ไทย",
        "x" * 9,
        "y",
    )
    (folder / "Tiny.item").write_text(items_of(dict(zip("abcdefgh", long, strict=True))), encoding="utf-8")
    code, _, ranks = command("LIR", *FEATURES["LIR"])
    assert (code, len(ranks)) == (0, 8)
    tied = ranks[ranks["item_id"].isin(["c", "d"])]
    assert (tied["optimistic"] < tied["pessimistic"]).all()
    assert len(tied) == 2  # u2 and u4


def test_short_and_long_histories(command, write_dataset):
    """Leave-one-out tests users of 3 events and more, and validates those of 4 and more."""
    write_dataset("Odd", {"v1": "a", "v2": "ab", "v3": "abc", "v4": "abcd", "v5": "abcde" * 600, "v6": "bcdea"})
    code, _, ranks = command("Pop", dataset="Odd")
    assert (code, sorted(ranks.index)) == (0, ["v3", "v4", "v5", "v6"])
    assert command("SASRec", dataset="Odd")[0] == 0


def test_one_item(command, write_dataset):
    write_dataset("Same", {"v1": "aaaa", "v2": "aaaaa"})
    code, _, ranks = command("LIR", *FEATURES["LIR"], dataset="Same")
    assert (code, set(ranks["pessimistic"])) == (0, {1})
