"""Counts of a window of days, against loops over the events."""

from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.prepared import prepare
from calrec_recbole.plugin.runner import build_model

DAY = 86_400
HISTORIES = {  # user -> (day, item); the last two events are validation and test
    "u1": [(0, "a"), (1, "b"), (2, "c"), (3, "d"), (40, "a")],
    "u2": [(0, "b"), (20, "b"), (21, "a"), (22, "c"), (23, "d")],
    "u3": [(1, "c"), (30, "d"), (31, "d"), (32, "b"), (33, "a")],
}


def by_loops(now, days):
    """Training events in the window, by item."""
    counts = {}
    for own in HISTORIES.values():
        for day, item in own[:-2]:
            if now - days <= day <= now:
                counts[item] = counts.get(item, 0) + 1
    return counts


def test_events_of_the_days_before_the_history_ends_count(tmp_path):
    folder = tmp_path / "Timed"
    folder.mkdir()
    rows = [f"{user}\t{item}\t{1_400_000_000 + day * DAY}" for user, own in HISTORIES.items() for day, item in own]
    (folder / "Timed.inter").write_text("user_id:token\titem_id:token\ttimestamp:float\n" + "\n".join(rows) + "\n")
    settings = {"dataset": "Timed", "data_path": str(tmp_path), "gpu_id": "", "recent_days": 19.5}
    prepared = prepare(Config("RecentPop", config_dict=settings))
    data = prepared.loaders
    model = build_model(prepared.config, data.train.dataset)
    seen = {}
    for part, held_out in ((data.valid, 2), (data.test, 1)):
        for batch in part:
            scores = model.full_sort_predict(batch[0]).numpy()
            for row, number in enumerate(batch[0]["user_id"].tolist()):
                user = prepared.users[number]
                now = HISTORIES[user][-held_out - 1][0]  # of the history's last event
                found = {prepared.items[place]: scores[row, place] for place in range(1, 5) if scores[row, place]}
                assert found == by_loops(now, 19.5)
                seen[f"{user} {held_out}"] = found
    assert seen["u1 1"] == {"a": 1, "b": 2, "c": 2}  # day 3: u2's first, u3's first, u1's own three
    assert seen["u2 2"] == {"a": 1, "b": 1, "c": 1}  # day 21: from day 1.5 on
