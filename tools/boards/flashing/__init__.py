"""Firmware and images onto boards of each family."""
