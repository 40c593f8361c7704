"""What RecBole 1.2.1 needs before its first import; importing this module raises ``ConfigError`` where it is missing.

NumPy names that RecBole and its ray 2.6.3 read and NumPy has removed are set. With them RecBole runs on numpy 2.x with
identical results. Some are read at RecBole's first import, so ``calrec_recbole.plugin`` imports this module. So is a
method of SciPy's by which RecBole's graph models (LightGCN, NGCF, ...) fill their matrices.
"""

import importlib.util
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import sparse

from calrec_recbole.errors import ConfigError

if importlib.util.find_spec("recbole") is None:
    raise ConfigError(
        "RecBole is not installed: pip install --no-deps recbole==1.2.1 (without its dependencies: one of them, ray, "
        "has no release for Python 3.12 and later, and nothing here needs it)"
    )

__all__ = ["REMOVED_NAMES"]

REMOVED_NAMES = {  # as RecBole's Config.compatibility_settings has them, which itself fails on numpy 2
    "float_": np.float64,
    "complex_": np.complex128,
    "unicode_": np.str_,
    "bool8": np.bool_,
    "bool": np.bool_,
    "int": np.int_,
    "float": np.float64,
    "complex": np.complex128,
    "object": np.object_,
    "str": np.str_,
    "long": np.int_,
    "unicode": np.str_,
}

for _name, _type in REMOVED_NAMES.items():
    if _name not in vars(np):
        setattr(np, _name, _type)


def _fill(matrix: Any, entries: Mapping[tuple[int, int], float]) -> None:
    """``{(row, column): value}`` into a SciPy ``dok_matrix``."""
    matrix._dict.update(entries)


if not hasattr(sparse.dok_matrix, "_update"):
    sparse.dok_matrix._update = _fill
