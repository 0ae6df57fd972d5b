"""The evaluation: renewal traffic of a site, simulated with the rule and the messages that run.

Needs the extra `sim` (NumPy, Matplotlib).
"""
