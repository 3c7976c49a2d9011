"""Engine: frames that are larger than memory, and work spread over processes.

Needs the extra "distributed"; nothing of it is imported before it is used.
"""
