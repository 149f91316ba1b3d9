"""The pass by itself: `python -m coilbox_guest.tailcall IN.wasm OUT.wasm`, or a drawing."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from coilbox.errors import BuildError
from coilbox.wasm.errors import WasmFormatError
from coilbox_guest.tailcall.draw import draw_handler
from coilbox_guest.tailcall.naming import read_opcode_table
from coilbox_guest.tailcall.options import Dispatch, Options, Transfer
from coilbox_guest.tailcall.replicate import replicate_dispatch
from coilbox_guest.tailcall.split import split_interpreter


def main(arguments: list[str] | None = None) -> int:
    """Run the pass; the exit code."""
    parser = argparse.ArgumentParser(prog="coilbox_guest.tailcall", description=__doc__)
    parser.add_argument("input", type=Path, help="a core module")
    parser.add_argument("output", type=Path, help=".wasm, or .svg or .dot for a drawing")
    parser.add_argument("--variant", choices=("tailcall", "replicated"), default="tailcall")
    parser.add_argument("--draw", metavar="HANDLER", help="draw this handler instead")
    parser.add_argument("--before", action="store_true", help="draw it as it was compiled")
    parser.add_argument("--function", help="name of the interpreter's function")
    parser.add_argument("--opcodes", type=Path, help="the guest's _opcode_metadata.py")
    parser.add_argument("--min-handlers", type=int, default=Options.min_handlers)
    parser.add_argument("--dispatch", choices=list(Dispatch), default=Options.dispatch)
    parser.add_argument("--transfer", choices=list(Transfer), default=Options.transfer)
    parser.add_argument("--max-params", type=int, default=Options.max_params)
    parser.add_argument("--no-spill", action="store_true")
    parser.add_argument("--uniform", action="store_true")
    given = parser.parse_args(arguments)
    options = Options(
        function=given.function,
        min_handlers=given.min_handlers,
        dispatch=Dispatch(given.dispatch),
        transfer=Transfer(given.transfer),
        max_params=given.max_params,
        spill=not given.no_spill,
        uniform=given.uniform,
        opcode_names=read_opcode_table(given.opcodes.read_text()) if given.opcodes else {},
    )
    try:
        data = given.input.read_bytes()
        if given.draw is not None:
            picture = draw_handler(data, options, given.draw)[0 if given.before else 1]
            svg = given.output.suffix == ".svg"
            given.output.write_text(picture.svg() if svg else picture.dot())
            return 0
        change = split_interpreter if given.variant == "tailcall" else replicate_dispatch
        result = change(data, options)
    except KeyError as error:
        print(f"there is no handler {error}", file=sys.stderr)
        return 1
    except (BuildError, WasmFormatError) as error:
        print(error, file=sys.stderr)
        return 1
    given.output.write_bytes(result.module_bytes)
    print(json.dumps(result.report.to_json(), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
