"""The part that runs in processes of its own, between ours and the program.

The standard library only, and few of its modules: their import is most of the sandbox's overhead,
hence no json, typing, contextlib, signal or pathlib here.
`supervisor` stays outside and keeps the limits; `lockdown` gives up rights and becomes the program.
"""
