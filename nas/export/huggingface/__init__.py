"""How the weights of our layers and of transformers' correspond, family by family. Arrays only: no torch, no transformers."""
