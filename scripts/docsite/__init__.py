"""The documentation as a site: plain HTML made of the Markdown pages and of the docstrings.

`reading` finds the pages, `rendering` turns one into HTML, `reference` tells the public names,
`building` writes the site, `checking` reads it again as a browser would and follows every link.
"""
