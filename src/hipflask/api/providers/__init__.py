"""What `Provide(...)` asks for: what is to be called for a view, and when it is closed again."""
