"""From a subscription to a settled message: ordered concurrency, attempts, dead letters, progress."""
