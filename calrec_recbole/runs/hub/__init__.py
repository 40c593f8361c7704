"""A finished run on a model hub, and back."""
