"""RecBole's side: configuration, data, training, evaluation and runs of every model by name.

Importing it restores the NumPy names that RecBole needs; RecBole itself is loaded by the modules that use it.
"""

from calrec_recbole.plugin.compat import REMOVED_NAMES

__all__ = ["REMOVED_NAMES"]
