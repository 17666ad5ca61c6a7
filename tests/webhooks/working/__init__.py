"""Tests of what happens after the 2xx."""
