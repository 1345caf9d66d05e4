"""An architecture as the configs of programs that train at scale: flash-linear-attention, flame, litgpt, torchtitan."""
