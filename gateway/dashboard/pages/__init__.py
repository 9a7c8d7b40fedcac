"""The pages, one module each: read what is asked, call billing or identity, render."""
