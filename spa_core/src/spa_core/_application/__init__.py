"""What an application developer writes against: handlers, applications, and the runner that keeps them alive."""
