"""Download the initial weights of networks, with progress events."""

from keras_sister.backbone_names import shown_name
from keras_sister.backbones import fetch_weights, has_weights
from keras_sister.run import OnEvent, report_bytes


def fetch_network(network: str, weights: str | dict[str, str], on_event: OnEvent) -> None:
    """Download the initial weights of one network, unless they are here already.

    Args:
        network, weights: see `keras_sister.backbones.build_backbone`.
        on_event: receives the event ``fetching`` before a download, and the bytes that have arrived.

    Raises:
        InputError: if they are not available, naming the network and what to do.
    """
    if not has_weights(network, weights):
        on_event({"event": "fetching", "network": shown_name(network)})
    fetch_weights(network, weights, report_bytes(on_event))
