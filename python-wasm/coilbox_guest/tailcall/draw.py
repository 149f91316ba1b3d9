"""Pictures of a piece's graph: text for Graphviz, or SVG laid out here.

The layout is the simplest layered one: a block's row is the longest way to it, blocks of a row are
ordered by the middle of their predecessors. Good enough for a handler; Graphviz does better.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

from coilbox.wasm.body import Instr
from coilbox.wasm.module import Module
from coilbox.wasm.opcodes import OPCODES, Imm
from coilbox_guest.tailcall.dominators import dominator_tree
from coilbox_guest.tailcall.graph import Exit, Graph
from coilbox_guest.tailcall.options import Options
from coilbox_guest.tailcall.partition import partition
from coilbox_guest.tailcall.pieces import PieceBuilder
from coilbox_guest.tailcall.split import compile_interpreter

_CROWD = 6
_LINES = 14
_CHAR, _LINE, _PAD, _GAP_X, _GAP_Y = 7.0, 13, 7, 24, 34


@dataclass
class Picture:
    """Boxes of text and arrows between them."""

    title: str
    boxes: dict[int, list[str]] = field(default_factory=dict)
    arrows: list[tuple[int, int, str]] = field(default_factory=list)
    outside: set[int] = field(default_factory=set)
    """Boxes that stand for what is not part of the function."""
    entry: int = 0

    def dot(self) -> str:
        """Text for Graphviz."""
        lines = [
            "digraph {",
            f'label="{self.title}"; labelloc=t;',
            'node [shape=box, fontname="monospace", fontsize=9];',
        ]
        for number, text in self.boxes.items():
            label = "".join(line.replace('"', '\\"') + "\\l" for line in text)
            style = ", style=dashed" if number in self.outside else ""
            lines.append(f'b{number} [label="{label}"{style}];')
        lines += [f'b{a} -> b{b} [label="{text}"];' for a, b, text in self.arrows]
        return "\n".join([*lines, "}", ""])

    def svg(self) -> str:
        """A picture."""
        places, width, height = self._layout()
        out = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            'font-family="monospace" font-size="11">',
            '<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
            'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>',
            f'<rect width="{width:.0f}" height="{height:.0f}" fill="#fff"/>',
            f'<text x="8" y="18" font-weight="bold">{escape(self.title)}</text>',
        ]
        for source, target, text in self.arrows:
            out.append(_arrow(places[source], places[target], text))
        for number, lines in self.boxes.items():
            x, y, w, h = places[number]
            dash = ' stroke-dasharray="4 3" fill="#f3f3f3"' if number in self.outside else ""
            fill = dash or ' fill="#fffdf2"'
            out.append(
                f'<rect x="{x:.0f}" y="{y:.0f}" width="{w:.0f}" height="{h:.0f}" '
                f'stroke="#333"{fill}/>'
            )
            for row, line in enumerate(lines):
                top = y + _PAD + 9 + row * _LINE
                out.append(f'<text x="{x + _PAD:.0f}" y="{top:.0f}">{escape(line)}</text>')
        return "\n".join([*out, "</svg>", ""])

    def _layout(self) -> tuple[dict[int, tuple[float, float, float, float]], float, float]:
        successors: dict[int, list[int]] = {number: [] for number in self.boxes}
        for source, target, _ in self.arrows:
            successors[source].append(target)
        rank = dominator_tree(successors, self.entry).rank
        row: dict[int, int] = {}
        for number in rank:
            before = [a for a, b, _ in self.arrows if b == number and rank[a] < rank[number]]
            row[number] = max((row[a] + 1 for a in before), default=0)
        places: dict[int, tuple[float, float, float, float]] = {}
        y, widest = 34.0, 0.0
        for level in range(max(row.values()) + 1):
            level_boxes = [number for number in rank if row[number] == level]
            middle = {
                number: sum(
                    sum(places[a][::2]) for a, b, _ in self.arrows if b == number and a in places
                )
                / max(1, sum(b == number and a in places for a, b, _ in self.arrows))
                for number in level_boxes
            }
            x, tallest = 50.0, 0.0
            for number in sorted(level_boxes, key=middle.__getitem__):
                lines = self.boxes[number]
                w = max(len(line) for line in lines) * _CHAR + 2 * _PAD
                h = len(lines) * _LINE + 2 * _PAD
                places[number] = (x, y, w, h)
                x += w + _GAP_X
                tallest = max(tallest, h)
            widest = max(widest, x)
            y += tallest + _GAP_Y
        centred = {
            number: (x + (widest - _row_width(places, row, row[number])) / 2, y, w, h)
            for number, (x, y, w, h) in places.items()
        }
        return centred, widest + 60, y


def _row_width(
    places: dict[int, tuple[float, float, float, float]], row: dict[int, int], level: int
) -> float:
    return max(x + w for number, (x, _, w, _) in places.items() if row[number] == level) + _GAP_X


def _arrow(
    source: tuple[float, float, float, float], target: tuple[float, float, float, float], text: str
) -> str:
    x1, y1 = source[0] + source[2] / 2, source[1] + source[3]
    x2, y2 = target[0] + target[2] / 2, target[1]
    if y2 - y1 > 2 * _GAP_Y:  # over other rows: around their left side
        side = min(source[0], target[0]) - 30
        path = (
            f"M{x1:.0f} {y1:.0f}C{x1:.0f} {y1 + 24:.0f} {side:.0f} {y1:.0f} {side:.0f} "
            f"{(y1 + y2) / 2:.0f}S{x2:.0f} {y2 - 24:.0f} {x2:.0f} {y2:.0f}"
        )
        x2, y2 = 2 * side - x1, y1 + 30
    elif y2 > y1:
        path = f"M{x1:.0f} {y1:.0f}C{x1:.0f} {y1 + 20:.0f} {x2:.0f} {y2 - 20:.0f} {x2:.0f} {y2:.0f}"
    else:  # backwards: around the right side
        side = max(source[0] + source[2], target[0] + target[2]) + 24
        path = (
            f"M{x1:.0f} {y1:.0f}C{x1:.0f} {y1 + 24:.0f} {side:.0f} {y1 + 24:.0f} {side:.0f} "
            f"{(y1 + y2) / 2:.0f}S{x2:.0f} {y2 - 24:.0f} {x2:.0f} {y2:.0f}"
        )
    label = f'<text x="{(x1 + x2) / 2 + 4:.0f}" y="{(y1 + y2) / 2:.0f}" fill="#06c">{text}</text>'
    return f'<path d="{path}" fill="none" stroke="#333" marker-end="url(#a)"/>' + label * bool(text)


def draw_handler(module_bytes: bytes, options: Options, name: str) -> tuple[Picture, Picture]:
    """A handler's graph as compiled and as a piece of the result.

    `name` is the piece's name without the function's, such as `LOAD_FAST`. Raises KeyError if there
    is none, and SplitRefusedError.
    """
    from coilbox_guest.tailcall.dispatch import find_interpreter
    from coilbox_guest.tailcall.effects import Effects

    module = Module(module_bytes)
    work = compile_interpreter(module, options)
    handler = next((entry for entry, known in work.names.items() if known == name), None)
    if handler is None:
        raise KeyError(name)
    names = module.names.functions
    labels = work.names
    for entry, interface in work.plan.interfaces.items():
        names[interface.function] = labels[entry]
    raw = Module(module_bytes)
    found = find_interpreter(raw, Effects(raw), options.function, options.min_handlers)
    parts = partition(found.graph, (found.graph.entry, *found.handlers), found.points)
    before = Graph(
        found.graph.type,
        found.graph.locals,
        {number: found.graph.blocks[number].copy() for number in parts.regions[handler]},
        handler,
    )
    piece = PieceBuilder(work.plan, handler).build()
    return (
        _picture(before, f"{name}, as compiled", names, labels),
        _picture(piece, f"{name}, a function of its own", names, labels),
    )


def _picture(graph: Graph, title: str, names: dict[int, str], labels: dict[int, str]) -> Picture:
    picture = Picture(title, entry=graph.entry)
    pending = [graph.entry]
    while pending:
        number = pending.pop()
        if number in picture.boxes:
            continue
        block = graph.blocks.get(number)
        if block is None:
            picture.boxes[number] = [labels.get(number, f"block {number}")]
            picture.outside.add(number)
            continue
        text = _text(block.code, names)
        picture.boxes[number] = text
        targets = list(dict.fromkeys(block.targets))
        if len(targets) > _CROWD:
            text.append(f"br_table: {len(targets)} handlers, return_call each")
            continue
        if block.exit in (Exit.RETURN, Exit.TRAP):
            text.append("return" if block.exit is Exit.RETURN else "unreachable")
        for position, target in enumerate(block.targets):
            word = ("if", "else")[position] if block.exit is Exit.BRANCH else ""
            if block.exit is Exit.SWITCH:
                word = str(position)
            picture.arrows.append((number, target, word))
            pending.append(target)
    return picture


def _text(code: list[Instr], names: dict[int, str]) -> list[str]:
    lines = [_line(instr, names) for instr in code]
    if len(lines) > _LINES:
        cut = len(lines) - _LINES + 1
        lines = [*lines[: _LINES // 2], f"... {cut} more", *lines[-(_LINES // 2) + 1 :]]
    return lines


def _line(instr: Instr, names: dict[int, str]) -> str:
    info = OPCODES[instr[0]]
    if info.immediates == (Imm.FUNC,):
        return f"{info.name} {names.get(instr[1], instr[1])}"
    if info.immediates == (Imm.ALIGN, Imm.OFFSET):
        return f"{info.name} offset={instr[2]}" if instr[2] else info.name
    return " ".join([info.name, *map(str, instr[1:])])
