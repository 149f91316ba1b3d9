"""The Python side of the guest's ABI: private, lives in the snapshot, called from C.

A guest's code can change anything in its own interpreter, this package included. That harms
nobody but the guest: the host checks every reply.
"""
