"""From data back to parameters: fits of curves and of voxels through any forward model."""

from diffscatter.fitting.curve import fit_curve as fit_curve
from diffscatter.fitting.curve import fit_curves as fit_curves
from diffscatter.fitting.losses import LOSSES as LOSSES
from diffscatter.fitting.losses import Loss as Loss
from diffscatter.fitting.losses import assumed_sigma as assumed_sigma
from diffscatter.fitting.losses import chi2_residuals as chi2_residuals
from diffscatter.fitting.losses import log_residuals as log_residuals
from diffscatter.fitting.losses import poisson_deviance as poisson_deviance
from diffscatter.fitting.losses import poisson_residuals as poisson_residuals
from diffscatter.fitting.parameters import Bounds as Bounds
from diffscatter.fitting.parameters import Parameters as Parameters
from diffscatter.fitting.parameters import free_parameters as free_parameters
from diffscatter.fitting.parameters import parameter_values as parameter_values
from diffscatter.fitting.priors import GaussianPrior as GaussianPrior
from diffscatter.fitting.priors import LognormalPrior as LognormalPrior
from diffscatter.fitting.problem import CurveProblem as CurveProblem
from diffscatter.fitting.problem import Problem as Problem
from diffscatter.fitting.regularizers import PARAMETRISATIONS as PARAMETRISATIONS
from diffscatter.fitting.regularizers import Parametrisation as Parametrisation
from diffscatter.fitting.regularizers import binary as binary
from diffscatter.fitting.regularizers import total_variation as total_variation
from diffscatter.fitting.result import CurveFit as CurveFit
from diffscatter.fitting.result import FitResult as FitResult
from diffscatter.fitting.result import value_with_error as value_with_error
from diffscatter.fitting.voxels import VoxelFit as VoxelFit
from diffscatter.fitting.voxels import fit_voxels as fit_voxels
