"""Everything that is made from a spec: text, the same for the same spec, in fixed order."""
