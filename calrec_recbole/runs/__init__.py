"""A run as a folder: what it keeps there while it lasts, and once it is complete. Import its modules one by one."""
