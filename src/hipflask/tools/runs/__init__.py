"""Runs of actions: planned, approved, queued, worked on, undone; each a row that outlives all."""
