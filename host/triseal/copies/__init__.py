"""Copies of a Store's public files, and what they show: each file is checked."""
