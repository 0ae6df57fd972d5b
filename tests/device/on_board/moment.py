"""The moment at which the tests of this folder and the programs beside this file take place."""

NOW = 1795363200  # 2026-11-22T16:00:00Z
