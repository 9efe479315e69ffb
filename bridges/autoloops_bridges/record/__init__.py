"""The record of every performance, and what is kept from one to the next."""
