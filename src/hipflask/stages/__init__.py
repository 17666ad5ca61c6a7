"""From prototype to service: the stage a project is at, and what follows from it."""
