"""The doors: each turns one protocol's request into ours and sends the response back."""
