"""The application's side of a transport: sockets, the providers that make them, and pending requests."""
