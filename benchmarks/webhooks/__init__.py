"""The inbox of `hipflask.webhooks`, killed and timed: `crash`, `traced` and `bench` are programs.

`crash` kills its processes while signed events come in, and then asks for every event that was
acknowledged. `traced` looks at system calls: was there an fdatasync before each 2xx? `bench`
measures acknowledgements beside a callable of a few lines that makes the same promise.
"""
