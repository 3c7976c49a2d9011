"""The same functions with fewer operations, for use; weights are kept as trained."""

from torch import nn

from bgrem_core.networks.attention import AttentionUNet
from bgrem_core.networks.fast import FastUNet
from bgrem_core.networks.rewritten_attention import RewrittenAttentionUNet
from bgrem_core.networks.rewritten_fast import RewrittenFastUNet

__all__ = ["rewritten"]


def rewritten(network: nn.Module) -> nn.Module:
    """Return a network that computes the same with fewer operations.

    Parameters
    ----------
    network : torch.nn.Module
        Of `bgrem_core.networks.NETWORKS`, in evaluation mode; not changed.

    Returns
    -------
    torch.nn.Module
        In evaluation mode, for inference only; equal to rounding. A network for which
        there is nothing to rewrite is returned itself.

    Raises
    ------
    ValueError
        The network is in training mode, in which its normalisation is no constant.
    """
    if network.training:
        raise ValueError("a network in training mode cannot be rewritten")
    if isinstance(network, AttentionUNet):
        return RewrittenAttentionUNet(network).eval()
    if isinstance(network, FastUNet):
        return RewrittenFastUNet(network).eval()
    return network
