"""One suite over the real Flask and over hipflask: the same apps, the same requests, the same answers."""
