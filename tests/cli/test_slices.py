"""What is written for the slices of a report, or why not."""

from calrec_recbole.cli.slices import prepare_slices
from calrec_recbole.report import Entry, Manifest


def test_a_data_set_that_cannot_be_read_is_told_and_the_report_goes_on(tmp_path, capsys):
    entries = [
        Entry("LIR", "LIR", "Tiny", str(tmp_path / "gone")),
        Entry("Pop", "Pop", "Other", "", error="it failed"),  # has no run to look into
    ]
    prepare_slices(Manifest("x", "X", entries=entries), tmp_path)
    told = capsys.readouterr().err
    assert told.startswith("no slices of Tiny: ")
    assert told.count("\n") == 1
    assert not (tmp_path / ".cache").exists()
