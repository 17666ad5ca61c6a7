"""One suite over the real Flask and over hipflask: same apps, same requests, same answers."""
