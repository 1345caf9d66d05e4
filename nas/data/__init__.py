"""Files that users bring, as arrays to learn from: text (`corpus`) and measurements (`series`). No torch.

Submission and the workers read through the same functions, so what one accepts the other can read, and both see the digest.
"""
