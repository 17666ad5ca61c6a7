"""What operating a service needs: a registry of figures, and probes."""
