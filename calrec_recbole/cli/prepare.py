"""`calrec prepare`: raw files of the Amazon review data -> RecBole's atomic files."""

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calrec_recbole.data.categories import Category
    from calrec_recbole.data.layouts.recognition import Reviews
    from calrec_recbole.data.pipeline import PrepareSettings

__all__ = ["add_parser", "run"]

DESCRIPTION = """Turns the reviews and metadata of a category into OUT/NAME/NAME.inter and NAME.item. Consecutive
events of a user with the same item, text, rating and timestamp are dropped (equal timestamps keep the order of the
file), then users with fewer than 5 events; candidates are the items that still have an event."""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "prepare", help="raw Amazon reviews -> RecBole's atomic files", description=DESCRIPTION, allow_abbrev=False
    )
    add = parser.add_argument
    add("--category", metavar="NAME", help="Scientific, Instruments, Arts, Office, Games, Pet, ... (configs/dataset)")
    add("--raw", metavar="DIR", type=Path, default=Path("raw"), help="folder of the raw files (default: raw)")
    add("--out", metavar="DIR", type=Path, default=Path("dataset"), help="where NAME/ is written (default: dataset)")
    add("--reviews", metavar="FILE", type=Path, help="a reviews file of any name, plain or .gz, instead of --raw")
    add("--meta", metavar="FILE", type=Path, help="its metadata; without one every text is Unknown")
    add("--name", help="name of the data set (default: the category's, or the stem of --reviews)")
    add("--no_dedup", action="store_true", help="keep consecutive duplicates (Table 7 of the paper)")
    add("--ties", metavar="HOW", help="duplicates at one time: in the order of the file, or item by item (file | item)")
    add("--min_user_events", metavar="N", type=int, default=5, help="users with fewer events are dropped (default: 5)")
    add(
        "--release",
        metavar="YEAR",
        type=int,
        help="of the Amazon reviews: 2014 | 2018 | 2023 (default: the category's)",
    )
    add("--layout", metavar="NAME", help="of --reviews, where it is not recognised: see the manual, Data")
    add("--files", metavar="WHICH", help="of --release=2023: 5core (default) | last_out | timestamp | reviews")
    add("--accept_damaged", action="store_true", help="prepare what comes before the damage of a gzip file")
    add(
        "--category_source",
        metavar="SOURCE",
        help="main_cat (default), the path where it is missing | path_without_root | path",
    )
    add(
        "--download", action="store_true", help="fetch missing raw files into --raw first; a broken download is resumed"
    )
    add("--base_url", metavar="URL", help="where --download fetches from (default: the McAuley lab's address)")
    goes_on = "nothing half-written is left; the same command starts again, a download where it stood"
    parser.set_defaults(run=run, parser=parser, goes_on=goes_on)


def _recognised(arguments: argparse.Namespace) -> "Reviews | None":
    """The layout of --reviews, where it is given."""
    from calrec_recbole.data.layouts.recognition import reviews_layout
    from calrec_recbole.errors import ConfigError, DataError

    if arguments.download and arguments.reviews is not None:
        raise ConfigError(f"--download and --reviews={arguments.reviews} exclude each other; leave one out")
    for option, path in (("--reviews", arguments.reviews), ("--meta", arguments.meta)):
        if path is not None and not path.is_file():
            raise DataError(f"{option}={path} is not a file")
    return reviews_layout(arguments.reviews, arguments.layout) if arguments.reviews else None


def _category(arguments: argparse.Namespace, release: int | None) -> "Category":
    """The known category; for files of one's own a made-up one."""
    from calrec_recbole.data.categories import Category, category
    from calrec_recbole.data.layouts.release2023 import category2023
    from calrec_recbole.data.locate import raw_stem
    from calrec_recbole.errors import ConfigError

    if arguments.category == "" or (arguments.category is None and arguments.reviews is None):
        raise ConfigError("give --category=NAME, for example --category=Scientific, or --reviews=FILE")
    own = arguments.category or raw_stem(arguments.reviews)
    try:
        return category2023(own) if release == 2023 else category(own)
    except ConfigError:
        if arguments.reviews is None:
            raise
        return Category(name=own, stem=raw_stem(arguments.reviews), release=release or 2018)


def _check_release(arguments: argparse.Namespace, category: "Category") -> None:
    from calrec_recbole.data.categories import PUBLISHED_AT
    from calrec_recbole.data.layouts.release2023 import FILES
    from calrec_recbole.errors import ConfigError, must_be_one_of

    if arguments.release is not None:
        must_be_one_of("--release", arguments.release, PUBLISHED_AT)
        if arguments.release != category.release:
            raise ConfigError(f"--release={arguments.release}: the files of {category.name} are of {category.release}")
    if arguments.files is not None:
        must_be_one_of("--files", arguments.files, FILES)
        if category.release != 2023:
            raise ConfigError(f"--files={arguments.files} is of --release=2023 only; leave it out")


def _fetch(arguments: argparse.Namespace, category: "Category") -> None:
    from calrec_recbole.data.categories import PUBLISHED_AT
    from calrec_recbole.data.download import BASE_URL, download, raw_urls
    from calrec_recbole.data.layouts.release2023 import fetch
    from calrec_recbole.errors import ConfigError

    if category.release == 2023:
        return fetch(category.stem, arguments.raw, arguments.files or "5core", arguments.base_url)
    if category.release != 2018:
        page = PUBLISHED_AT[category.release]
        raise ConfigError(f"--download knows the releases 2018 and 2023; fetch {category.name} by hand from {page}")
    for url in raw_urls(category.stem, arguments.base_url or BASE_URL):
        download(url, arguments.raw)


def _raw_files(arguments: argparse.Namespace, category: "Category") -> tuple[Path, Path | None]:
    from calrec_recbole.data.layouts.release2023 import find_files, metadata_folders
    from calrec_recbole.data.locate import find_metadata, find_reviews, raw_stem

    if category.release == 2023 and arguments.reviews is None:
        reviews, metadata = find_files(arguments.raw, category.stem, arguments.files)
        return reviews, arguments.meta or metadata
    reviews = arguments.reviews or find_reviews(arguments.raw, category.stem)
    if arguments.meta is not None:
        return reviews, arguments.meta
    return reviews, find_metadata(metadata_folders(reviews), raw_stem(reviews))


def _settings(arguments: argparse.Namespace, category: "Category") -> "PrepareSettings":
    from calrec_recbole.data.pipeline import PrepareSettings

    return PrepareSettings(
        name=arguments.name or category.name,
        category_source=arguments.category_source or category.category_source,
        root=category.root,
        user_fraction=category.user_fraction,
        user_seed=category.user_seed,
        min_user_events=arguments.min_user_events,
        dedup=not arguments.no_dedup,
        ties=arguments.ties or category.ties,
        layout=arguments.layout,
    )


def run(arguments: argparse.Namespace) -> None:
    """Checks all settings and paths, then reads, writes and prints the summary."""
    start = time.perf_counter()
    found = _recognised(arguments)
    category = _category(arguments, arguments.release or (found.layout.year if found else None))
    _check_release(arguments, category)
    settings = _settings(arguments, category)
    if arguments.download:
        _fetch(arguments, category)
    reviews, metadata = _raw_files(arguments, category)
    from calrec_recbole.data.layouts.recognition import reviews_layout

    print(f"{reviews}: {found or reviews_layout(reviews, arguments.layout)}")
    if metadata is None:
        print(f"warning: no metadata file beside {reviews}; every text is Unknown (give --meta=FILE)", file=sys.stderr)
    from calrec_recbole.cli.data_sets.prepare_summary import print_summary
    from calrec_recbole.data.pipeline import prepare

    summary = prepare(reviews, metadata, arguments.out, settings, arguments.accept_damaged)
    print_summary(summary, arguments.out / settings.name, time.perf_counter() - start)
