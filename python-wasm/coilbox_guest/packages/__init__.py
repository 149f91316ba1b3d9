"""Packages in the guest: resolved by pip for the guest, linked or laid beside the standard library.

`resolve` finds versions and files, `lockfile` keeps them, `wheel` takes a wheel apart, and
`emscripten` makes the extension modules of PyPI's WebAssembly wheels fit the guest's libc.
"""
