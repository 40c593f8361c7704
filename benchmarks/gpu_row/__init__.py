"""What `benchmarks/gpu_scientific.py` goes through: systems, phases, the check of a device, the table."""
