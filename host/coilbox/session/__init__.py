"""One life of a guest: its session, the requests it gets, and what watches over it."""
