"""Full optical fields, drawn with GalSim: ``pip install napari-bgrem[train]``.

What `bgrem_core.simulate.draw_scene` leaves out is here: a PSF that changes over the
field, real galaxies, nebulae, saturation, glare, cosmic rays, hot pixels and satellite
trails.
"""

from bgrem_core.simulate.survey.field import LABELS, Field, draw_field
from bgrem_core.simulate.survey.psf import SurveyPsf
from bgrem_core.simulate.survey_settings import SurveySettings

__all__ = ["LABELS", "Field", "SurveyPsf", "SurveySettings", "draw_field"]
