"""Colours and marks: fixed by the model, distinct in a report."""

from calrec_recbole.report.plots.looks import FIXED, MARKS, looks_of
from calrec_recbole.report.plots.style import SERIES
from calrec_recbole.report.rows import Row


def rows(*labels, **models):
    return [Row(label, models.get(label, label), "Tiny", []) for label in labels]


def test_a_model_looks_the_same_in_every_report():
    alone, among = looks_of(rows("LIR")), looks_of(rows("CALRec", "GRU4Rec", "SASRec", "LIR"))
    assert alone["LIR"] == among["LIR"]
    assert looks_of(rows("GRU4Rec"))["GRU4Rec"] == among["GRU4Rec"]


def test_no_two_models_of_ours_share_a_colour_or_a_mark():
    places, marks = zip(*FIXED.values(), strict=True)
    assert len(set(places)) == len(set(marks)) == len(FIXED)
    assert set(marks) <= set(MARKS)
    assert max(places) < len(SERIES)


def test_the_first_row_of_a_model_has_the_models_look_and_others_a_free_colour():
    found = looks_of(rows("a", "SASRec", "b", a="CALRec", b="CALRec"))
    assert found["a"] == looks_of(rows("CALRec"))["CALRec"]
    assert len({look.colour for look in found.values()}) == 3


def test_colours_then_marks_tell_many_rows_apart():
    labels = [f"row {number}" for number in range(40)]
    found = looks_of(rows(*labels, **dict.fromkeys(labels, "CALRec")))
    assert len(set(found.values())) == 40
    assert len({found[label].colour for label in labels[: len(SERIES)]}) == len(SERIES)


def test_every_mark_has_an_outline_within_its_box():
    for look in looks_of(rows(*FIXED)).values():
        points = [tuple(map(float, pair.split(","))) for pair in look.outline.split()]
        assert len(points) > 3
        assert max(abs(number) for point in points for number in point) == 1
