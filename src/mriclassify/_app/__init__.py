"""A PAGE TO DROP SCANS ON, on this computer: nothing leaves it, and nothing is kept.

Gradio (extra `app`) is imported only by the page and the server.
"""
