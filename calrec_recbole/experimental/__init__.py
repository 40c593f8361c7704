"""Past the paper, and tried on one data set only: each module says what was measured."""
