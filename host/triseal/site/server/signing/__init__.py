"""The signing pipeline: requests are answered in groups, one transaction each."""
