"""Default settings as YAML; installed as ``calrec_recbole.configs``."""
