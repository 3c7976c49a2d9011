"""Models of a worker: each is loaded once, and known by its hash."""

from dataclasses import dataclass
from threading import Lock
from typing import Any

from bgrem_core.engine.cluster import Gone, each
from bgrem_core.errors import ModelError
from bgrem_core.methods.bgrem import BGRemSettings
from bgrem_core.methods.common import loading
from bgrem_core.model_card import ModelCard
from bgrem_core.models import Model, find_file, load_model
from bgrem_core.weights import slim

_models: dict[tuple[object, ...], Model] = {}
_lock = Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is known of a model that is loaded elsewhere.

    Attributes
    ----------
    card : ModelCard
        How to use it.
    sha256 : str
        Of the weights file.
    notices : list of str
        What the user should be told, such as a change of device.
    """

    card: ModelCard
    sha256: str
    notices: list[str]


def told_of(settings: BGRemSettings, client: Any) -> Told:
    """Have a worker load the model of some settings, and tell of it.

    Parameters
    ----------
    settings : BGRemSettings
        As for `model_of`.
    client : distributed.Client or None
        None = this process.

    Returns
    -------
    Told
        Where torch is not imported, it stays so.

    Raises
    ------
    ModelError
        It cannot be loaded there, or is another one there.
    BGRemError
        The cluster is gone.
    """
    sha256 = slim.read(find_file(settings.model)).sha256
    try:
        (told,) = each(client, tell, [(settings, sha256)])
    except Gone as gone:
        raise gone.said("no tile is done yet", "then run the same again") from gone
    return told  # type: ignore[no-any-return]


def tell(settings: BGRemSettings, sha256: str) -> Told:
    """Tell of the model of some settings; the task of a worker."""
    model = model_of(settings, sha256)
    return Told(card=model.card, sha256=model.sha256, notices=list(model.notices))


def model_of(settings: BGRemSettings, sha256: str) -> Model:
    """Return the model of some settings, loaded at most once in this process.

    Parameters
    ----------
    settings : BGRemSettings
        Name or path of the model, device, threads, precision.
    sha256 : str
        Of the weights file, as the one who asks knows it; "" = as it is here now.

    Returns
    -------
    Model
        Shared; ready to denoise.

    Raises
    ------
    ModelError
        It cannot be loaded here, or is another one here.
    """
    options = loading(settings)
    with _lock:
        # A file may have been trained further since it was loaded.
        wanted = sha256 or slim.read(find_file(settings.model)).sha256
        key = (settings.model, wanted, *options.values())
        if key not in _models:
            model = load_model(settings.model, **options)
            if model.sha256 != wanted:
                raise ModelError(
                    f"the model {settings.model!r} of a worker is another one",
                    hint="install the same version on all machines",
                )
            _models[key] = model
        return _models[key]
