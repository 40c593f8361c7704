"""The paper's rows beside ours."""

from functools import cache

from calrec_recbole.paper import paper_table

__all__ = ["AVERAGE", "MAIN", "PaperRows", "paper_rows", "system_of"]

MAIN = 2  # the table of the main results
AVERAGE = "Average"  # the paper's name of the mean over its six categories
STATISTICS = 1  # has no metrics

PaperRows = dict[str, dict[str, tuple[float, float]]]


@cache
def paper_rows(number: int, dataset: str) -> PaperRows:
    """System, by the paper's name -> title of a metric -> (optimistic, pessimistic) of Table ``number``.

    Empty where the table has no such data set; a case that the paper does not print is NaN.
    """
    if number == STATISTICS:
        return {}
    table = paper_table(number)
    found: PaperRows = {}
    for row in table[table["dataset"] == dataset].to_dict("records"):
        values = float(row["optimistic"]), float(row.get("pessimistic", float("nan")))
        found.setdefault(str(row["system"]), {})[str(row["metric"])] = values
    return found


@cache
def system_of(model: str) -> str:
    """The paper's name of the system that our ``model`` is; the model's own where it has none."""
    table = paper_table(MAIN)
    names = dict(zip(table["model"], table["system"], strict=True)) | {"BERT4RecFull": "BERT4Rec"}
    return str(names.get(model, model))
