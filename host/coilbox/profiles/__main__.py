"""``python -m coilbox.profiles``: the JSON Schema of profiles."""

from coilbox.profiles import schema_text

if __name__ == "__main__":
    print(schema_text(), end="")
