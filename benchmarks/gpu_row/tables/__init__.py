"""What the finished runs come to."""
