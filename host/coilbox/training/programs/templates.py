"""Pages of HTML from rows: formatting, joining, replacing, escaping of strings."""

import html
from string import Template

QUICK, FULL = 3, 900

ROW = Template("<tr class='$kind'><td>$name</td><td>$price</td><td>$note</td></tr>")


def page(number):
    rows = []
    for index in range(30):
        name = f"thing <{index}> & co {number * index:,}"
        note = "-".join(part.capitalize() for part in f"{name} {number:>6}".split())
        values = {
            "kind": "odd" if index % 2 else "even",
            "name": html.escape(name),
            "price": f"{index * 1.25 + number:10.2f} €",
            "note": html.escape(note.replace("&", "and").strip("-").casefold()),
        }
        rows.append(ROW.substitute(values))
        rows.append("<tr><td>%(name)s</td><td>%(price)s</td></tr>" % values)
        rows.append("<!-- {kind:<8}|{name!r:.30}|{price:^20} -->".format(**values))
    return "<table>\n" + "\n".join(rows) + "\n</table>"


def run(size):
    length = lines = 0
    for number in range(size):
        text = page(number)
        length += len(text.encode())
        lines += sum(1 for line in text.splitlines() if "thing" in line and line.endswith(">"))
    return [length, lines]


EXPECTED = {QUICK: [23283, 270], FULL: [7324378, 81000]}
