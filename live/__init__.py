"""The wall display: the group's hearts, live, on every screen."""
