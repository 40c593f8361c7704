"""Items as text."""

from calrec_recbole.catalogue.items import Catalogue, read_attributes, read_catalogue

__all__ = ["Catalogue", "read_attributes", "read_catalogue"]
