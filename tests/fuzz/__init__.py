"""Hostile input: whatever a client sends, the answer is below 500 and comes soon."""
