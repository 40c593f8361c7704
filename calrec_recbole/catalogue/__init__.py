"""Items as text."""

from calrec_recbole.catalogue.catalogue import Catalogue, catalogue_of, read_catalogue
from calrec_recbole.catalogue.sample_quality import SampleShares

__all__ = ["Catalogue", "SampleShares", "catalogue_of", "read_catalogue"]
