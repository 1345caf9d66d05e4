"""The maths of mixers and routers as functions on tensors: reference, fast CPU form, and where they are chosen."""
