from calrec_recbole.generation.beam import BestTexts, best_texts
from calrec_recbole.generation.likelihood import text_logprobs
from calrec_recbole.generation.sampling import Sample, sample
from calrec_recbole.generation.trie import Trie

__all__ = ["BestTexts", "Sample", "Trie", "best_texts", "sample", "text_logprobs"]
