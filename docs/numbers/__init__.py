"""Recomputes the numbers that the manual quotes from the rows of results/: `python -m docs.numbers`, `make numbers`."""
