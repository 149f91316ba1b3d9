"""What makes coilbox's guest module: parts, wasm library, linker, passes, snapshot."""
