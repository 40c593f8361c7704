"""What generated texts are worth before retrieval: do they follow the template, are they items of the catalogue."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from calrec_recbole.prompts import AMAZON, Attribute, parse_item_text

__all__ = ["SampleShares"]

COUNTED = ("users", "distinct", "follow", "known", "titles", "searched", "certified")


@dataclass
class SampleShares:
    """Counts the distinct sampled texts of each user against ``texts``, the catalogue's.

    >>> shares = SampleShares(["Title: Tape."], (Attribute("title", "Title", 25),))
    >>> shares.add([["Title: Tape.", "Title: Tape.", "Title: Glue.", "Glue"]])
    >>> shares.summary()  # doctest: +NORMALIZE_WHITESPACE
    {'users': 1, 'texts_per_user': 3.0, 'follow_template': 0.666667, 'in_catalogue': 0.333333,
     'title_in_catalogue': 0.333333}

    Of constrained decoding ``searched`` counts the users, and ``certified`` those whose texts are surely the best ones.
    """

    texts: Iterable[str]
    template: Sequence[Attribute] = AMAZON
    users: int = field(default=0, init=False)
    distinct: int = field(default=0, init=False)
    follow: int = field(default=0, init=False)
    known: int = field(default=0, init=False)
    titles: int = field(default=0, init=False)
    searched: int = field(default=0, init=False)
    certified: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.texts = frozenset(self.texts)
        self._known_titles = {self._title(text) for text in self.texts} - {None}

    def add(self, samples: Iterable[Iterable[str]]) -> None:
        """The sampled texts of some users, repeats included."""
        for user in samples:
            distinct = set(user)
            self.users += 1
            self.distinct += len(distinct)
            titles = [title for text in distinct if (title := self._title(text)) is not None]
            self.follow += len(titles)
            self.titles += sum(title in self._known_titles for title in titles)
            self.known += len(distinct & self.texts)  # type: ignore[operator]

    def add_searches(self, exact: Iterable[bool]) -> None:
        """Constrained decoding alone: for each user whether its texts are surely the best ones."""
        for certified in exact:
            self.searched += 1
            self.certified += certified

    @property
    def counts(self) -> tuple[int, ...]:
        """All that is counted, in the order of the fields."""
        return tuple(getattr(self, name) for name in COUNTED)

    def become_sum(self, counts: Iterable[tuple[int, ...]]) -> None:
        """Takes the place of several, of other users each, by their ``counts``."""
        for name, column in zip(COUNTED, zip(*counts, strict=True), strict=True):
            setattr(self, name, sum(column))

    def summary(self) -> dict[str, float]:
        """Distinct texts a user, and the shares of them that follow the template (the others are Table 8's format
        errors), that are items' texts (its "all four attributes") and whose title is an item's. Of constrained decoding
        also the share of users whose texts are surely the most probable ones.
        """
        exact = {"exact": round(self.certified / self.searched, 6)} if self.searched else {}
        shares = {"follow_template": self.follow, "in_catalogue": self.known, "title_in_catalogue": self.titles}
        return {
            "users": self.users,
            "texts_per_user": round(self.distinct / max(1, self.users), 2),
            **{name: round(count / max(1, self.distinct), 6) for name, count in shares.items()},
            **exact,
        }

    def _title(self, text: str) -> str | None:
        """The first attribute of ``text``; None where it does not follow the template."""
        found = parse_item_text(text, self.template)
        return None if found is None else next(iter(found.values()))
