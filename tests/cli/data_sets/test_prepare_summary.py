"""What `calrec prepare` tells at its end."""

from calrec_recbole.cli.data_sets.prepare_summary import print_summary

SUMMARY = {
    "settings": {"name": "Tools", "min_user_events": 5},
    "counts": {
        **{"raw_events": 2000, "duplicates_dropped": 50, "short_users_dropped": 3, "users_not_sampled": 0},
        **{"users": 10, "items": 1200, "events": 1900},
    },
    "texts": {"items_without_metadata": 7, "missing": {"brand": 4, "title": 0}, "only_markup": {}, "cut": {}},
    "reviews": {"file": "Tools.json", "bad_lines": {"no JSON": {"lines": 4, "first": [1, 8, 9]}}},
    "metadata": None,
}


def test_counts_shares_and_the_lines_that_were_skipped(tmp_path, capsys):
    print_summary(SUMMARY, tmp_path / "Tools", 1.25)
    told = capsys.readouterr().out
    for words in ("2,000", "50 (2.5%)", "users below 5 events", "1,200", "brand 4", "1.2 s"):
        assert words in told
    assert "title 0" not in told
    assert "users not sampled" not in told
    assert "skipped 4 in Tools.json: no JSON (lines 1, 8, 9, ...)" in " ".join(told.split())
