"""Amazon Reviews 2023: its categories, the names of its files, and their download from the Hugging Face hub.

https://huggingface.co/datasets/McAuley-Lab/Amazon-Reviews-2023.
"""

from pathlib import Path

from calrec_recbole.data.categories import Category, known_categories
from calrec_recbole.errors import ConfigError, DataError, did_you_mean

__all__ = ["FILES", "REPOSITORY", "category2023", "fetch", "find_files", "metadata_folders"]

REPOSITORY = "McAuley-Lab/Amazon-Reviews-2023"
FILES = {  # --files -> the reviews in the repository; what the first three hold comes without the reviews' texts
    "5core": ("benchmark/5core/rating_only/{stem}.csv",),
    "last_out": tuple(f"benchmark/5core/last_out/{{stem}}.{part}.csv" for part in ("train", "valid", "test")),
    "timestamp": tuple(f"benchmark/5core/timestamp/{{stem}}.{part}.csv" for part in ("train", "valid", "test")),
    "reviews": ("raw/review_categories/{stem}.jsonl",),
}
METADATA = "raw/meta_categories/meta_{stem}.jsonl"
STEMS = """
All_Beauty Amazon_Fashion Appliances Arts_Crafts_and_Sewing Automotive Baby_Products Beauty_and_Personal_Care Books
CDs_and_Vinyl Cell_Phones_and_Accessories Clothing_Shoes_and_Jewelry Digital_Music Electronics Gift_Cards
Grocery_and_Gourmet_Food Handmade_Products Health_and_Household Health_and_Personal_Care Home_and_Kitchen
Industrial_and_Scientific Kindle_Store Magazine_Subscriptions Movies_and_TV Musical_Instruments Office_Products
Patio_Lawn_and_Garden Pet_Supplies Software Sports_and_Outdoors Subscription_Boxes Tools_and_Home_Improvement
Toys_and_Games Unknown Video_Games
"""


def category2023(name: str) -> Category:
    """The category of a short name of ours (Scientific) or of a file's stem, upper and lower case alike.

    The data set is called `<name>2023`, beside the one of 2018; all users stay.

    Raises:
        ConfigError: there is none; names the nearest.
    """
    stems = {stem.lower(): stem for stem in STEMS.split()}
    ours = {known.stem.lower(): known for known in known_categories().values()}
    short = {known.name.lower(): known.stem.lower() for known in ours.values()}
    stem = stems.get(short.get(name.lower(), name.lower()))
    if stem is None:
        near = did_you_mean(name, [*STEMS.split(), *(known.name for known in ours.values())])
        raise ConfigError(f"--category={name} is no category of --release=2023{near}")
    known = ours.get(stem.lower())
    return Category(
        name=f"{known.name if known else stem}2023", stem=stem, root=known.root if known else None, release=2023
    )


def find_files(folder: Path, stem: str, files: str | None = None) -> tuple[Path, Path | None]:
    """The reviews and the metadata of ``stem``: as in the repository, in ``folder`` or one level below it.

    ``files`` is a key of ``FILES``; None takes the first of them that is there.

    Raises:
        DataError: there are no reviews.
    """
    wanted = {files: FILES[files]} if files else FILES
    for names in wanted.values():
        if reviews := _find(folder, names[0].format(stem=stem)):
            return reviews, _find(folder, METADATA.format(stem=stem)) or _find(reviews.parent, f"meta_{stem}.jsonl")
    looked = " or ".join(names[0].format(stem=stem) for names in wanted.values())
    raise DataError(f"no {looked} in --raw={folder} (plain or .gz, also without the folders); add --download")


def metadata_folders(reviews: Path) -> list[Path]:
    """Where the metadata of ``reviews`` may lie: beside it, or where the repository has it."""
    return [reviews.parent, *(parent / "raw" / "meta_categories" for parent in reviews.absolute().parents[:4])]


def _find(folder: Path, name: str) -> Path | None:
    """``name`` below ``folder`` as it stands, else by its last part in ``folder`` or one level below."""
    last = name.rpartition("/")[2]
    below = sorted(child for child in folder.iterdir() if child.is_dir()) if folder.is_dir() else []
    for path in (folder / name, folder / last, *(child / last for child in below)):
        for file in (path, path.with_name(f"{path.name}.gz")):
            if file.is_file():
                return file
    return None


def fetch(stem: str, folder: Path, files: str = "5core", endpoint: str | None = None) -> None:
    """Downloads the reviews and the metadata of ``stem`` into ``folder``, under the names of the repository.

    What is there stays; a broken download is resumed. ``endpoint`` is the hub's address: by default what HF_ENDPOINT
    says.

    Raises:
        DataError: the hub cannot be reached, or has no such file.
    """
    for name in (*FILES[files], METADATA):
        if _find(folder, name.format(stem=stem)) is None:
            _download(name.format(stem=stem), folder, endpoint)


def _download(name: str, folder: Path, endpoint: str | None) -> None:
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

    try:
        hf_hub_download(REPOSITORY, name, repo_type="dataset", local_dir=folder, endpoint=endpoint)
    except LocalEntryNotFoundError as error:  # before EntryNotFoundError, whose kind it is
        reason = str(error.__cause__ or error).splitlines()[0]
        raise DataError(f"{name} cannot be fetched from {endpoint or constants.ENDPOINT}: {reason}") from None
    except EntryNotFoundError:
        other = "; --files=reviews has the categories without a 5-core" if name.startswith("benchmark") else ""
        raise DataError(f"{REPOSITORY} has no {name}{other}") from None
    except HfHubHTTPError as error:
        raise DataError(f"{name}: {str(error).splitlines()[0]}; start the same command again to resume") from None
