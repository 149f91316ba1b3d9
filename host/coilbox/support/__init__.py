"""What all layers use: the cache, progress, units, YAML files, coilbox's own files."""
