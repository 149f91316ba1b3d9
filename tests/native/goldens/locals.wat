;; Locals wait on the stack until they change.
(module
  (func (export "swap") (param i32 i64) (result i32) (local f64)
    (local.get 0)
    (local.set 0 (i32.const 70000))
    (i32.add (local.get 0))
    (drop (local.get 1))
    (local.set 2 (f64.const -0x1.8p+3))))
