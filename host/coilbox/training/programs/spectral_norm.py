"""Power iteration on a matrix that is a formula: float arithmetic in comprehensions."""

QUICK, FULL = 10, 380


def product(vector, cell):
    length = len(vector)
    return [
        sum(cell(row, column) * vector[column] for column in range(length)) for row in range(length)
    ]


def cell(row, column):
    return 1.0 / ((row + column) * (row + column + 1) // 2 + row + 1)


def transposed(row, column):
    return cell(column, row)


def run(size):
    vector = [1.0] * size
    for _ in range(6):
        image = product(product(vector, cell), transposed)
        vector, before = image, vector
    return f"{(sum(a * b for a, b in zip(vector, before)) / sum(b * b for b in before)) ** 0.5:.9f}"


EXPECTED = {QUICK: "1.271844019", FULL: "1.274224070"}
