"""The shipped test kit: a simulated sea that speaks bytes, and scored scenes for trackers.

What enters: a seed and a scenario. What leaves: the bytes that sensors would send, the truth behind them, and the
planted facts a node is expected to find. Product code never imports it; the demo and score commands do.
"""
