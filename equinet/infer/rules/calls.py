"""Calls: primitives that run one program on their operands, and do no more."""

from equinet.infer.primitives import Primitive, enter

enter(
    Primitive("jit", call="jaxpr"),
    Primitive("remat2", call="jaxpr"),
    Primitive("composite", call="jaxpr"),
    Primitive("custom_jvp_call", call="call_jaxpr"),
    Primitive("custom_vjp_call", call="call_jaxpr"),
    Primitive("linear_with_transposes", call="call"),
)
