"""Profiles: what a sandbox is given and may use, written down in a YAML file.

::

    from coilbox import Sandbox
    from coilbox.profiles import load_profile

    with Sandbox(**load_profile("strict").sandbox_options()) as sandbox:
        ...

``python -m coilbox.profiles`` prints the JSON Schema, which ``configs/schemas/profile-v1.json``
holds for editors.
"""

from coilbox.profiles.profile import Profile, load_profile, profile_names, schema_text

__all__ = ["Profile", "load_profile", "profile_names", "schema_text"]
