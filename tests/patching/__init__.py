"""How extensions get between the framework and its own methods: each way must be noticed."""
