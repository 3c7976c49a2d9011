"""Models of a worker: each is loaded once, and known by its hash."""

from threading import Lock

from bgrem_core.errors import ModelError
from bgrem_core.methods.bgrem import BGRemSettings
from bgrem_core.methods.common import loading
from bgrem_core.models import Model, load_model

_models: dict[tuple[object, ...], Model] = {}
_lock = Lock()


def model_of(settings: BGRemSettings, sha256: str) -> Model:
    """Return the model of some settings, loaded at most once in this process.

    Parameters
    ----------
    settings : BGRemSettings
        Name or path of the model, device, threads, precision.
    sha256 : str
        Of the weights file, as the one who asks knows it; "" = any.

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
    key = (settings.model, sha256, *options.values())
    with _lock:
        if key not in _models:
            model = load_model(settings.model, **options)
            if sha256 not in {"", model.sha256}:
                raise ModelError(
                    f"the model {settings.model!r} of a worker is another one",
                    hint="install the same version on all machines",
                )
            _models[key] = model
        return _models[key]
