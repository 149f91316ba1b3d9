"""The built-in extensions: each a package with a factory ``extension(...)`` that makes it.

::

    from coilbox import Sandbox
    from coilbox.extensions import clock

    with Sandbox(extensions=[clock.extension(seed=7)], grants=["clock.read"]) as sandbox: ...

The folder lies beside ``host`` in a checkout and is a part of the package ``coilbox``.
"""
