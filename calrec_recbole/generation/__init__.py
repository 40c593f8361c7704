from calrec_recbole.engines.vllm import check_vllm, load_vllm, sample_with_vllm
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
    "check_vllm",
    "decode_dtype",
    "load_vllm",
    "sample",
    "sample_with_vllm",
    "score_again",
    "text_logprobs",
]
