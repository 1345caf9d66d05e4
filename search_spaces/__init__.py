"""What can be built, as plain data: primitives, architectures, spaces and the zoo. No torch."""
