"""NumPy names that RecBole 1.2.1 and its ray 2.6.3 read and NumPy has removed; set when this module is imported.

With them RecBole runs on numpy 2.x with identical results. Some are read at RecBole's first import, so
``calrec_recbole.plugin`` imports this module.
"""

import numpy as np

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
