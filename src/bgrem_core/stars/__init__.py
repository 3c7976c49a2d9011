"""Star removal: each module holds one thing, from published methods to recombining.

What scripts and lessons call is in `bgrem_core` itself: `remove_stars`, `cohen2021`,
`perona_malik`, `chao_tsai`, `grey_map`, `recombine`, `screen` and `unscreen`.
"""
