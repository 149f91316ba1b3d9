;; Immutable globals are constants; mutable ones live below linear memory.
(module
  (global $base i32 (i32.const 4096))
  (global $stack (mut i32) (i32.const 65536))
  (func (export "f") (result i32)
    (global.get $stack)
    (global.set $stack (i32.sub (global.get $stack) (global.get $base)))
    (i32.add (global.get $stack))))
