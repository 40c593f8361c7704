"""`calrec check`: one page on a data set before any model runs on it."""

import argparse
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calrec_recbole.backbone.outline import Outline
    from calrec_recbole.plugin.calrec.core_settings import CALRecSettings
    from calrec_recbole.plugin.data.prepared import Prepared

__all__ = ["add_parser", "run"]

DESCRIPTION = """Reads a data set as run_recbole does and prints rows, users, items, split, ties of text, what is
missing and what cannot be used; with --backbone also tokens and the least that CALRec costs on it. Any setting of
CALRec can be given: --encoding=latin-1 --ITEM_ID_FIELD=product_id --train_steps=600 --config_files=smollm2-135m."""

Rows = list[tuple[str, str]]


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "check", help="one page on a data set before any model", description=DESCRIPTION, allow_abbrev=False
    )
    add = parser.add_argument
    add("--dataset", metavar="NAME", required=True, help="for example Scientific")
    add("--data_path", metavar="DIR", default="dataset", help="default: dataset")
    add("--backbone", metavar="NAME", help="scratch, a hub id, a folder or a .gguf file: its tokens and CALRec's cost")
    add("--teraflops", metavar="N", type=float, help="speed that the cost is told at (default: this machine, measured)")
    parser.set_defaults(run=run, parser=parser, takes_settings=True)


def run(arguments: argparse.Namespace) -> None:
    """Prints the page; raises ``CalrecError`` for events that cannot be read."""
    from calrec_recbole.cli.calrec import say_loading
    from calrec_recbole.cli.run_recbole import named_files

    say_loading()
    from calrec_recbole.errors import ConfigError
    from calrec_recbole.plugin.calrec.core_settings import CALRecSettings
    from calrec_recbole.plugin.config import Config
    from calrec_recbole.plugin.data.data_check import checked
    from calrec_recbole.plugin.data.prepared import prepare
    from calrec_recbole.setting_files import parse_arguments

    if arguments.teraflops is not None and not 0 < arguments.teraflops < float("inf"):
        raise ConfigError(f"--teraflops={arguments.teraflops} must be above 0")
    given = parse_arguments(arguments.settings)
    files = named_files(given.pop("config_files", None))
    own = {"data_path": arguments.data_path, "gpu_id": given.pop("gpu_id", ""), "bad_rows": "drop"}
    own |= {"backbone": arguments.backbone} if arguments.backbone else {}
    config = Config("CALRec", arguments.dataset, files, {**own, **given})
    prepared = prepare(config)
    with _quiet("calrec_recbole.plugin.data.prepared"):  # its notes stand on the page
        sections = checked(prepared)
        if "backbone" in config.external_config_dict and not prepared.item_problem:
            sections |= _tokens_and_cost(prepared, CALRecSettings.from_config(config), arguments.teraflops)
    _print(arguments.dataset, sections, prepared.notes)


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Without the warnings of the logger ``name``."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _tokens_and_cost(prepared: "Prepared", settings: "CALRecSettings", teraflops: float | None) -> dict[str, Rows]:
    import numpy as np

    from calrec_recbole.backbone.outline import outline_of, scratch_outline
    from calrec_recbole.examples import tokenise_items
    from calrec_recbole.plugin.calrec.core_settings import prompt_of

    source, prompt = settings.backbone.backbone, prompt_of(settings.backbone.prompt_template)
    texts = prepared.catalogue.titles if prompt.titles else prepared.catalogue.texts
    outline = scratch_outline(texts, settings.scratch) if source == "scratch" else outline_of(source)
    items = tokenise_items(texts, outline.tokenizer, settings.backbone.max_input_length, prompt)
    lengths = np.array([len(item) for item in items.items])
    rows = [
        (
            "backbone",
            f"{source}: {outline.body / 1e6:,.1f} million parameters in blocks, {len(outline.tokenizer):,} tokens",
        ),
        ("tokens an item", f"{lengths.mean():.1f} (median {np.median(lengths):.0f}, the longest {lengths.max()})"),
        ("95 % of the items have at most", f"{np.quantile(lengths, 0.95):.0f} tokens"),
    ]
    return {"Tokens": rows, "Least cost of CALRec": _cost(prepared, settings, items, outline, teraflops)}


def _cost(
    prepared: "Prepared", settings: "CALRecSettings", items: Any, outline: "Outline", teraflops: float | None
) -> Rows:
    import torch

    from calrec_recbole.plugin.data.calrec_cost import Work, generation_work, measured_flops, training_work
    from calrec_recbole.plugin.data.sequences import histories_of, training_sequences
    from calrec_recbole.training.device.mixed_precision import resolve_precision

    training, users, n_gen = settings.training, settings.users, settings.inference.n_gen
    longest = prepared.settings.MAX_ITEM_LIST_LENGTH
    valid, test = (
        [history[-longest:] for history in histories_of(prepared.events, part)][: limit or None]
        for part, limit in (("validation", users.valid_users), ("test", users.test_users))
    )
    times = training.train_steps // settings.fit.eval_interval
    validation = generation_work(items, valid, n_gen, outline)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    precision = resolve_precision(training.precision, device)
    rate = teraflops * 1e12 if teraflops else measured_flops(device, precision)
    measured = f"measured here: products of 1,024 x 1,024, {str(precision).removeprefix('torch.')}, {device}"
    parts = {
        f"training, {training.train_steps:,} steps of {training.train_batch_size} users": training_work(
            items, training_sequences(prepared.events), training, outline
        ),
        f"{times} validations on {len(valid):,} users": Work(times * validation.tokens, times * validation.flops),
        f"test on {len(test):,} users, {n_gen} texts each": generation_work(items, test, n_gen, outline),
    }
    told = [
        (what, f"{work.tokens:,.0f} tokens, {work.flops:.2e} FLOPs, {_time(work.flops / rate)}")
        for what, work in parts.items()
    ]
    return [
        *told,
        ("at", f"{rate / 1e12:.3g} teraFLOP/s ({'as given' if teraflops else measured})"),
        ("left out", "attention, optimiser, activations computed twice, retrieval, waiting, early stopping"),
    ]


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _print(name: str, sections: dict[str, Rows], notes: list[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=name, show_header=False, title_justify="left")
    table.add_column()
    table.add_column(overflow="fold")
    for section, rows in sections.items():
        table.add_row(Text(section, style="bold"), "")
        for what, found in rows:
            table.add_row(f"  {what}", Text(found))
        table.add_section()
    console = Console()
    console.print(table)
    for note in notes:
        console.print(note, style="yellow", soft_wrap=True, highlight=False, markup=False)
