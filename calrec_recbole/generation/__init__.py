from calrec_recbole.generation.beam import BestTexts, best_texts
from calrec_recbole.generation.likelihood import text_logprobs
from calrec_recbole.generation.proposals import CatalogueProposer, Proposer
from calrec_recbole.generation.sampling import Sample, Work, sample
from calrec_recbole.generation.trie import Trie

__all__ = [
    "BestTexts",
    "CatalogueProposer",
    "Proposer",
    "Sample",
    "Trie",
    "Work",
    "best_texts",
    "sample",
    "text_logprobs",
]
