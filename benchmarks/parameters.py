"""Parameters, dependency radius and pooling of the networks.

python benchmarks/parameters.py
"""

from bgrem_core.networks import build

ARMS = {
    "optical (fast U-Net, one head)": ("fast", {"heads": ["mae"], "head": "mae"}),
    "optical-paper (attention U-Net)": ("attention", {}),
}

for label, (name, config) in ARMS.items():
    network = build(name, **config)
    trained = sum(p.numel() for p in network.parameters())
    kept = [b for n, b in network.named_buffers() if "running" in n]
    total = trained + sum(b.numel() for b in kept)
    print(f"{label}: {total:,} parameters, {trained:,} of them trained", end="; ")
    print(f"radius {network.radius} px, pooling {network.pooling} px")
