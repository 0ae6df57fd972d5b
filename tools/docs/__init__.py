"""Builds the documents of this repository as a site."""
