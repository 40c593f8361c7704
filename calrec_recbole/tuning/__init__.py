"""Choosing settings on validation, by Optuna; nothing here looks at a test."""
