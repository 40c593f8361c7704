import numpy as np

import calrec_recbole.plugin


def test_every_name_that_recbole_reads_is_there():
    for name in calrec_recbole.plugin.REMOVED_NAMES:
        assert issubclass(getattr(np, name), np.generic)
