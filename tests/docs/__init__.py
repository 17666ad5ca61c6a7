"""The documentation, run: every block of the README and of docs/ does what it says."""
