"""The app's routes, a file per address; `ui/server.py` lists them."""
