"""Which unit has the paired t-test of Table 4? Six categories can give the printed p-values, all eight of them.

Tables 2 and 3 print three of the six differences, Table 4 their mean, so the sum of the other three is known. p is
smallest where these are equal. That bound comes within a factor of two of each printed p, and, with the last digits
anywhere within their rounding, below it. A test over users would know nothing of the spread between categories.
"""

from itertools import product

import numpy as np
import pytest

from calrec_recbole.evaluation.significance import t_test
from calrec_recbole.paper import paper_table

WITHOUT = "w/o Contrastive Alignment"
SLACK = (-1e-4, -5e-5, 0.0, 5e-5, 1e-4)  # of a difference of two numbers with four digits


def smallest_p(known, mean):
    """(n, 3) known differences and (n,) means of six -> (n,) p where the other three are equal."""
    rest = (6 * mean - known.sum(axis=1)) / 3
    return t_test(np.concatenate([known, np.repeat(rest[:, None], 3, axis=1)], axis=1).T)


@pytest.mark.parametrize("case", ["optimistic", "pessimistic"])
@pytest.mark.parametrize("metric", ["NDCG@10", "Recall@1", "Recall@10", "MRR"])
def test_six_categories_can_give_the_printed_p(metric, case):
    ablation = paper_table(3).set_index(["system", "metric", "dataset"])[case]
    contrast = paper_table(4).set_index(["system", "metric"])
    known = (ablation["CALRec"][metric] - ablation[WITHOUT][metric]).to_numpy()
    mean = contrast.loc[("CALRec", metric), case] - contrast.loc[(WITHOUT, metric), case]
    printed = contrast.loc[("CALRec", metric), f"p_{case}"]
    slack = np.array(list(product(SLACK, repeat=4)))
    assert smallest_p(known + slack[:, :3], mean + slack[:, 3]).min() < printed
    assert 0.5 < printed / smallest_p(known[None], np.array([mean]))[0] < 2
