"""A plug-in that never comes to an end."""


def price(order):
    while True:
        pass
