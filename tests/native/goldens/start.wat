;; The start function runs behind the segments that could not be put in place beforehand.
(module
  (import "host" "ready" (func $ready (param f32 f64)))
  (memory 1)
  (table $changes 3 funcref)
  (table $outer (export "outer") 2 externref)
  (global $offset i32 (i32.const 1))
  (elem (table $changes) (global.get $offset) func $run $run)
  (elem (table $outer) (i32.const 0) externref (ref.null extern))
  (elem declare func $both)
  (func $both (export "both") (result funcref externref i64)
    (ref.func $both) (table.get $outer (i32.const 1)) (i64.const 0x123456789))
  (func $run
    (table.set $changes (i32.const 0) (ref.null func))
    (call $ready (f32.const -nan:0x200001) (f64.const inf)))
  (start $run))
