"""Who finds the targets that no training row holds? Counts, exact intervals and exact McNemar tests.

    python benchmarks/tables/unseen_targets.py

The runs are those of results/modes. Test: from the ranks that they kept. Validation: of
LIR and the paper's procedure, ranked again (half a minute).
"""

from pathlib import Path

import pandas as pd
from scipy.stats import binomtest

from calrec_recbole.plugin.data.test_users import facts_of_run
from calrec_recbole.plugin.reload import load_run
from calrec_recbole.plugin.training.tie_aware_trainer import trainer_for
from calrec_recbole.runs.run_folder import SAMPLES_FILE
from calrec_recbole.runs.user_samples import read_samples

RUNS = Path("runs/Scientific")
PROCEDURE, LIR = "CALRec/2020-3034d9af", "LIR/2020-472079ff"
CHOSEN = "CALRec/2020-c02dc651"
OTHERS = {"the paper's procedure": PROCEDURE, "LIR": LIR, "without CALRec, lifted": "CALRec/2020-79b75907"}


def found(run: str, users: pd.Index) -> pd.Series:
    """Whether each user's target stands up to rank 10, in the worst case of ties."""
    return pd.read_parquet(RUNS / run / "ranks.parquet").set_index("user_id").loc[users, "pessimistic"] <= 10


def on_test() -> None:
    facts = facts_of_run(RUNS / CHOSEN, "dataset")
    unseen = facts["training_count"] == 0
    for name, chosen in (("unseen", unseen), ("cold start", unseen & (facts["validation_count"] == 0))):
        users = facts.index[chosen]
        own = found(CHOSEN, users)
        for label, run in {"chosen": CHOSEN, **OTHERS}.items():
            other = found(run, users)
            interval = binomtest(int(other.sum()), len(users)).proportion_ci(method="exact")
            more, less = int((own & ~other).sum()), int((other & ~own).sum())
            p = binomtest(more, more + less).pvalue if more + less else 1.0
            print(
                f"test, {name}, {label}: {other.sum()} of {len(users)}, 95 % {interval.low:.3f} to "
                f"{interval.high:.3f}; the chosen mode alone {more}, it alone {less}, McNemar p {p:.2g}"
            )


def on_validation() -> None:
    for label in ("LIR", "the paper's procedure"):
        folder = RUNS / OTHERS[label]
        loaded = load_run(folder, "dataset", {"gpu_id": ""})
        if (folder / SAMPLES_FILE).is_file():
            loaded.model.samples_before = {one.key: one for one in read_samples(folder / SAMPLES_FILE)}
        rows = loaded.train_data.dataset.inter_feat
        seen = {*rows["item_id"].tolist(), *rows["item_id_list"].flatten().tolist()}
        table = trainer_for(loaded.config["model"])(loaded.config, loaded.model).evaluate_ranks(loaded.valid_data)
        ranks = [
            rank
            for item, rank in zip(table.items.tolist(), table.pessimistic.tolist(), strict=True)
            if item not in seen
        ]
        print(f"validation, unseen, {label}: {sum(rank <= 10 for rank in ranks)} of {len(ranks)}")


if __name__ == "__main__":
    on_test()
    on_validation()
