"""CALRec (RecSys'24): sequential recommendation by a language model that writes the next item's text."""

__all__ = ["__version__"]

__version__ = "0.1.0"
