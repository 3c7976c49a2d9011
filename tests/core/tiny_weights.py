"""A small valid model as bytes, made by hand so that every lie can be told."""

import json

NETWORK = {"widths": [4], "heads": ["mae"]}


def card(**changes):
    data = {
        "name": "tiny", "version": "1", "method": "bgrem", "objective": "noise",
        "network": "fast", "config": NETWORK, "radius": 9, "pooling": 2, "steps": 1,
        "recipe": "",
        "trained": {"fwhm": [2, 8], "sigma_e": [3, 1000], "rho": [0, 0.45]},
        "thresholds": {
            "catalogue": [[0, 1, 0.5], [0.4, 1, 0.9], [0, 3, 0.6], [0.4, 3, 1.0]],
            "deep": [[0, 1, 0.3], [0.4, 1, 0.7]],
        },
    }  # fmt: skip
    return {**data, **changes}


def note(**changes):
    return {"bgrem": json.dumps(card(**changes))}


def pack(tensors, metadata, *, length=None):
    header, body = {}, b""
    if metadata is not None:
        header["__metadata__"] = metadata
    for name, (dtype, shape, raw) in tensors.items():
        offsets = [len(body), len(body) + len(raw)]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        body += raw
    text = json.dumps(header).encode()
    size = len(text) if length is None else length
    return size.to_bytes(8, "little") + text + body


def tensors():
    """Return name -> (dtype, shape, bytes) of the network of `card`."""
    import torch

    from bgrem_core.networks import build

    torch.manual_seed(0)
    network = build("fast", **NETWORK)
    assert (network.radius, network.pooling) == (9, 2)
    torch.nn.init.normal_(network.out.weight, 0, 0.1)
    return {
        name: ("F32", list(value.shape), value.numpy().astype("<f4").tobytes())
        for name, value in network.state_dict().items()
    }
