"""Ten percent off for three or more."""

import dataclasses


def price(order):
    if order.count < 3:
        return order
    return dataclasses.replace(order, total=order.total * 9 / 10)
