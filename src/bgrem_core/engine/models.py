"""Models of a worker: each is loaded once, and known by its hash."""

from threading import Lock

from bgrem_core.errors import ModelError
from bgrem_core.methods.bgrem import BGRemSettings
from bgrem_core.methods.common import loading
from bgrem_core.models import Model, find_file, load_model
from bgrem_core.weights import slim

_models: dict[tuple[object, ...], Model] = {}
_lock = Lock()


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
