"""Baselines of the paper that RecBole does not ship; installed as ``calrec_recbole.baselines``."""
