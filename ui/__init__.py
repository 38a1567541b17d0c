"""The web server and the page: `web/` has a file per address, and each tab a folder with its JavaScript and CSS."""
