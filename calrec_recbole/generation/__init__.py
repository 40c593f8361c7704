from calrec_recbole.generation.beam_search import BestTexts, best_texts
from calrec_recbole.generation.likelihood import text_logprobs
from calrec_recbole.generation.precision import PRECISIONS, decode_dtype, score_again
from calrec_recbole.generation.proposals import CatalogueProposer, Proposer
from calrec_recbole.generation.sampling import Sample, Work, sample
from calrec_recbole.generation.trie import Trie

__all__ = [
    "PRECISIONS",
    "BestTexts",
    "CatalogueProposer",
    "Proposer",
    "Sample",
    "Trie",
    "Work",
    "best_texts",
    "decode_dtype",
    "sample",
    "score_again",
    "text_logprobs",
]
