;; A table whose entries all have the wanted type: no comparison of types.
(module
  (type $unary (func (param i32) (result i32)))
  (table 2 funcref)
  (elem (i32.const 0) $a $b)
  (func $a (type $unary) (local.get 0))
  (func $b (type $unary)
    (return_call_indirect (type $unary) (local.get 0) (i32.and (local.get 0) (i32.const 1))))
  (func (export "f") (param i32) (result i32)
    (call_indirect (type $unary) (local.get 0) (local.get 0))))
