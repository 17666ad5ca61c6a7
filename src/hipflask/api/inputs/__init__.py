"""What a view takes, read out of a request: path, query, header fields, cookies and body."""
