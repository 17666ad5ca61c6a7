"""What a view gives, made a response: which form, page, state or version of it is wanted."""
