"""The numbers that the paper prints, for comparison: never a result of this project."""

from calrec_recbole.paper.tables import METRICS, TABLES, paper_statistics, paper_table

__all__ = ["METRICS", "TABLES", "paper_statistics", "paper_table"]
