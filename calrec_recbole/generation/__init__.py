from calrec_recbole.generation.sampling import Sample, sample

__all__ = ["Sample", "sample"]
