"""What a bundle can do on tunes it has never seen, measured through its graphs."""
