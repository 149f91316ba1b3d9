"""The enums and dataclasses that the host declared, by name."""

from _coilbox_runtime import values


def __getattr__(name):
    try:
        return values.find_class(name)
    except ValueError as error:
        raise AttributeError(str(error)) from None


def __dir__():
    return sorted({*values.classes, *values.specs})
