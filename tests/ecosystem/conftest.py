"""The apps run in processes of their own, under the alias: here they must not even be imported."""

collect_ignore = ["apps"]
