"""What an architecture would cost at work: exact counts, and roofline estimates on public specifications."""
