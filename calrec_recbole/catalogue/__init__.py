"""Items as text."""

from calrec_recbole.catalogue.items import Catalogue, read_attributes, read_catalogue
from calrec_recbole.catalogue.samples import SampleShares

__all__ = ["Catalogue", "SampleShares", "read_attributes", "read_catalogue"]
