;; A table that code changes is in the instance.
(module
  (table $t 2 10 funcref)
  (table $x 1 externref)
  (elem $e func $f)
  (func $f (export "f") (param i32) (result i32)
    (table.init $t $e (i32.const 0) (i32.const 0) (i32.const 1))
    (elem.drop $e)
    (table.set $t (i32.const 1) (ref.func $f))
    (drop (table.grow $x (ref.null extern) (i32.const 1)))
    (if (ref.is_null (table.get $t (local.get 0))) (then (return (table.size $t))))
    (call_indirect $t (param i32) (result i32) (i32.const 5) (local.get 0))))
