"""What a view's annotations say: where each parameter comes from, and what the answer is."""
