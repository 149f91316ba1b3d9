;; A table that nothing changes is an array of constants.
(module
  (type $binary (func (param i32 i32) (result i32)))
  (import "host" "log" (func $log (param i64) (result i32)))
  (table 4 funcref)
  (elem (i32.const 1) $add $pair)
  (func $add (type $binary) (i32.add (local.get 0) (local.get 1)))
  (func $pair (export "pair") (result i32 f64) (i32.const 1) (f64.const 2))
  (func (export "f") (param i32) (result i32)
    (call_indirect (type $binary) (i32.const 1) (call $log (i64.const -1)) (local.get 0))
    (call $pair)
    (drop)
    (i32.add)))
