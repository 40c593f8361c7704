"""Raw data -> RecBole's atomic files: the first steps of the way of the data."""

from calrec_recbole.data.amazon import Events, read_reviews
from calrec_recbole.data.categories import Category, category, known_categories, missing_dataset_message
from calrec_recbole.data.dedup import drop_consecutive_duplicates
from calrec_recbole.data.filters import drop_short_users, sample_users
from calrec_recbole.data.pipeline import PrepareSettings, prepare

__all__ = [
    "Category",
    "Events",
    "PrepareSettings",
    "category",
    "drop_consecutive_duplicates",
    "drop_short_users",
    "known_categories",
    "missing_dataset_message",
    "prepare",
    "read_reviews",
    "sample_users",
]
