"""Widgets: what is seen and pressed. No science and no layers are made here."""
