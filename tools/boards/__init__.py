"""Boards, real, emulated or virtual: reach them, stage code for them, provision them."""
