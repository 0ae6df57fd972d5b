"""The evaluation: the renewal traffic of a site, simulated with the real rule and real messages.

It needs the extra `sim` (NumPy, Matplotlib).
"""
