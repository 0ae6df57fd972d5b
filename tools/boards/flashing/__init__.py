"""Firmware and images for boards of each family."""
