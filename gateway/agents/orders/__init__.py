"""Work-order assistant: drafts for work orders from the plant model, history and manuals."""
