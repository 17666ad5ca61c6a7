"""Programs that show hipflask at work."""
