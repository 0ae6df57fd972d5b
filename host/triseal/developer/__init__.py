"""The developer: has a key and a name, and signs services into packages."""
