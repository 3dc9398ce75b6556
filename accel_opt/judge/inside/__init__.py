"""What runs in the sandboxes: beside the program, and in the trusted processes beside it.

`guest` shares its process with code that nobody vouches for, so that whatever it says is a
claim; `trusted` runs our own pipelines, by the same protocol and with the same work around them,
so that the parent's clock sees both alike.
"""
