"""Real apps with real extensions, each doing its job through HTTP on hipflask."""
