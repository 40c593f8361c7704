"""Names in a run's folder that light modules need."""

__all__ = ["PARTS", "SAMPLES_FILE"]

SAMPLES_FILE = "samples.parquet"
PARTS = "samples"  # folder of its part files, while the run lasts
