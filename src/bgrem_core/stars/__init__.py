"""Star removal: each module holds one thing, from published methods to recombining."""
