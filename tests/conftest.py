"""Data that several rooms test on."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("no deadline", deadline=None)  # a busy machine is no failure
settings.load_profile("no deadline")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

TINY_ITEMS = [  # h repeats b's text: a tie; g has no row and no text at all
    ("a", "Red Glue", "Office Adhesives", "Acme", "$1.00"),
    ("b", "Blue Tape", "Office Adhesives", "Acme", "$2.00"),
    ("c", "Red Pen", "Office Pens", "Bolt", "$3.00"),
    ("d", 'Green "Pen"', "Office Pens", "Bolt", ""),
    ("e", "Steel Ruler", "Tools", "", "$5.00"),
    ("f", "Blue Pen", "Office Pens", "Acme", "$2.00"),
    ("h", "Blue Tape", "Office Adhesives", "Acme", "$2.00"),
]
TINY_HISTORIES = ["abcdef", "bcaedg", "cbhafd", "gabch", "hgfedc", "acegb", "fedcba", "dahbg"]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of raw data beside the repository; skips where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the raw data is not there: {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture
def tiny_dataset(tmp_path: Path) -> Path:
    """A ``data_path`` with the prepared data set Tiny: 8 users, items a-h, rows in chronological order."""
    folder = tmp_path / "dataset" / "Tiny"
    folder.mkdir(parents=True)
    quoted = [
        [f'"{field.replace(chr(34), chr(34) * 2)}"' if '"' in field else field for field in row] for row in TINY_ITEMS
    ]
    header = "item_id:token\ttitle:token\tcategory:token\tbrand:token\tprice:token"
    (folder / "Tiny.item").write_text("\n".join([header, *map("\t".join, quoted)]) + "\n", encoding="utf-8")
    events = sorted(
        (1_500_000_000 + 40 * place + number, f"u{number}", item)
        for number, history in enumerate(TINY_HISTORIES)
        for place, item in enumerate(history)
    )
    rows = [f"{user}\t{item}\t{time}" for time, user, item in events]
    header = "user_id:token\titem_id:token\ttimestamp:float"
    (folder / "Tiny.inter").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return folder.parent


@pytest.fixture
def tiny_settings(tiny_dataset: Path, tmp_path: Path) -> dict[str, Any]:
    """Overrides with which any model runs on Tiny within a second, quietly, inside ``tmp_path``."""
    return {
        "dataset": "Tiny",
        "data_path": str(tiny_dataset),
        "output_dir": str(tmp_path / "runs"),
        "epochs": 1,
        "MAX_ITEM_LIST_LENGTH": 5,
        "show_progress": False,
        "gpu_id": "",
    }
