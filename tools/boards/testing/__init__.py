"""A pytest plugin that gives tests a board: virtual, emulated or real."""
