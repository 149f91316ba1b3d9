;; Pieces have one signature; what makes and gets no tail calls is as it would be without them.
(module
  (type $piece (func (param i32 i64) (result i32)))
  (table 2 funcref)
  (elem (i32.const 0) $even $odd)
  (func $even (export "even") (param i32 i64) (result i32)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 1))))
    (return_call $odd (i32.sub (local.get 0) (i32.const 1)) (local.get 1) (f32.const 1)))
  (func $odd (param i32 i64 f32) (result i32)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
    (return_call_indirect (type $piece)
      (i32.sub (local.get 0) (i32.const 1)) (local.get 1) (i32.const 0)))
  (func (export "ordinary") (param i32) (result i32)
    (call $even (local.get 0) (i64.const 0))))
