"""A release as its users get it: built, looked into, installed in a clean environment and used.

`contents` looks into wheel and sdist, `installed` uses what was installed, `__main__` does all of
it in order.
"""
