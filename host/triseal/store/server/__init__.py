"""The Store as a service: public files to read, and a small API to write."""
