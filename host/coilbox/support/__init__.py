"""Tools of all layers: the cache, progress, units, checks, YAML files, coilbox's own files."""
