"""What is kept near the processor, or brought there, by what attention reads; what they share is in ``scored.py``."""
