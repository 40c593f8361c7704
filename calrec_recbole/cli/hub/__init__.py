"""`calrec push` and `calrec pull`."""
