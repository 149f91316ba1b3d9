"""An extension of coilbox: the tickets of a help desk."""
