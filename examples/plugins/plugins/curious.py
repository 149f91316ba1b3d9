"""A plug-in that wants to know more than it should."""


def price(order):
    with open("/etc/passwd") as file:
        return file.read()
