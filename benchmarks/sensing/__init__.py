"""AIS decoding to Arrow, against pyais, libais and aiscat in one run; see `python -m benchmarks.sensing --help`."""
