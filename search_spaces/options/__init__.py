"""What a space may choose from: the words of its genes, the knobs those words open, and what each word builds."""
