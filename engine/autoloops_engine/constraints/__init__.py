"""What a performer forbids a decoder, as a bias on its logits."""
