"""RecBole's atomic files, `.inter` and `.item`: one writer, and one reader of rows for all that reads them."""

from calrec_recbole.data.atomic.atomic_reader import AtomicFile, AtomicSettings, read_atomic
from calrec_recbole.data.atomic.atomic_writer import write_inter, write_item
from calrec_recbole.data.atomic.cell_values import MISSING, identifier, moment, number
from calrec_recbole.data.atomic.item_rows import ItemRows, read_item_rows

__all__ = [
    "MISSING",
    "AtomicFile",
    "AtomicSettings",
    "ItemRows",
    "identifier",
    "moment",
    "number",
    "read_atomic",
    "read_item_rows",
    "write_inter",
    "write_item",
]
