"""The picture against named peers: `python -m benchmarks.picture [--quick] [--json]`."""
