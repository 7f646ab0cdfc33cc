"""Is the history that clients see one that a single, honest server could have given? See `history.py`."""
