"""Whether a device computes what a CPU does, and how fast, before anything is trained on it."""
