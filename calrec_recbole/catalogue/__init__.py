"""Items as text."""

from calrec_recbole.catalogue.catalogue import Catalogue, read_attributes, read_catalogue
from calrec_recbole.catalogue.sample_quality import SampleShares

__all__ = ["Catalogue", "SampleShares", "read_attributes", "read_catalogue"]
