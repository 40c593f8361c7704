"""What runs elsewhere: each engine fits a seam of training, generation or retrieval, which do not know it."""
