"""A plug-in that returns something else than an order."""


def price(order):
    return order.total * 2
